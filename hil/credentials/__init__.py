"""Credentials: trust anchors, a device's chain, its key, and the bench's own authority that issues them."""

from hil.credentials.authority import Authority
from hil.credentials.flaw import Flaw
from hil.credentials.identity import Credentials, CredentialsError, ServerIdentity, redactable
from hil.credentials.store import read_credentials
from hil.credentials.unnamed_file import through_a_file

__all__ = [
    "Authority",
    "Credentials",
    "CredentialsError",
    "Flaw",
    "ServerIdentity",
    "read_credentials",
    "redactable",
    "through_a_file",
]
