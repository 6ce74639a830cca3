"""What looks like another thing from further off, and steps back behind it where that one is likely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OUTRANKS: Final[Mapping[str, tuple[str, ...]]] = {
    "connects-before-time": ("server-not-trusted", "handshake-cut"),
    "time-never-asked": ("server-not-trusted", "connects-before-time"),
    "damaged-anchors": ("server-not-trusted",),
    "no-client-certificate": ("client-certificate-refused", "handshake-cut"),
    "client-chain-incomplete": ("client-certificate-refused",),
    "will-topic-denied": ("cut-off", "server-ends-connection", "connection-lost"),
    "subscribe-denied": ("server-ends-connection", "connection-lost"),
    "publish-denied": ("server-ends-connection", "connection-lost"),
    "cut-off": ("server-ends-connection", "connection-lost"),
    "client-id-not-its-own": ("cut-off", "connection-lost"),
    "no-retry": ("handshake-cut", "network-refused", "connection-lost", "never-online"),
    "network-silent": ("connection-lost", "handshake-cut"),
    "crash": ("connection-lost", "keep-alive-missed"),
    "brown-out": ("crash", "connection-lost", "keep-alive-missed"),
}
"""By what is nearer to the cause, keys of remedies.REMEDIES."""
