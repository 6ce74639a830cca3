"""The serial link: boards without a network of their own reach the broker's side over their console."""

from hil.link.client import Endpoint, tls_context
from hil.link.link import Link

__all__ = ["Endpoint", "Link", "tls_context"]
