"""What a TLS ClientHello says, and what bytes that are none look like.

The server name and the offered versions are wanted even when the handshake then fails, and TLS libraries tell them
only when it succeeds. Layout: RFC 8446 section 4.1.2 (TLS 1.3), RFC 5246 section 7.4.1.2 (TLS 1.2), server name:
RFC 6066 section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HANDSHAKE_RECORD: Final = 0x16
SSL2_HELLO: Final = 0x80

_VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
_SERVER_NAME = 0
_SUPPORTED_VERSIONS = 43
_HTTP_METHODS = (b"GET ", b"PUT ", b"POST", b"HEAD", b"OPTI", b"CONN", b"PRI ")


@dataclass(frozen=True, slots=True)
class ClientHello:
    """`sni` is the server name asked for, or None. `versions` are names such as 'TLSv1.2', as offered; `ciphers` are
    the code points of the offered suites, in the client's order."""

    sni: str | None
    versions: tuple[str, ...]
    ciphers: tuple[int, ...]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise ValueError("a ClientHello that ends too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, length_size: int) -> bytes:
        return self.take(self.number(length_size))

    def __bool__(self) -> bool:
        return self._at < len(self._data)


def parse_client_hello(message: bytes) -> ClientHello:
    """Read a handshake message of type 1, its four-byte header included.

    Raises ValueError where it is cut off or is another message.
    """
    reader = _Reader(message)
    if reader.number(1) != 1:
        raise ValueError("not a ClientHello")
    body = _Reader(reader.vector(3))
    legacy_version = body.number(2)
    body.take(32)  # random
    body.vector(1)  # session id
    suites = _Reader(body.vector(2))
    ciphers = []
    while suites:
        ciphers.append(suites.number(2))
    body.vector(1)  # compression methods
    sni: str | None = None
    versions: list[int] = []
    extensions = _Reader(body.vector(2) if body else b"")
    while extensions:
        kind, content = extensions.number(2), _Reader(extensions.vector(2))
        if kind == _SERVER_NAME and content:
            names = _Reader(content.vector(2))
            if names and names.number(1) == 0:
                sni = names.vector(2).decode("ascii", "backslashreplace")
        elif kind == _SUPPORTED_VERSIONS:
            offered = _Reader(content.vector(1))
            while offered:
                versions.append(offered.number(2))
    # GREASE values (RFC 8701) are no versions and are left out.
    known = [v for v in versions or [legacy_version] if v in _VERSIONS]
    return ClientHello(sni, tuple(_VERSIONS[v] for v in known), tuple(ciphers))


def what_is_this(first: bytes) -> str | None:
    """Name a stream by its first bytes if it is no TLS: 'plain MQTT on the TLS port', ...; None where it may be TLS."""
    if not first or first[0] == HANDSHAKE_RECORD:
        return None
    if _is_plain_mqtt(first):
        return "plain MQTT on the TLS port"
    if first[:4] in _HTTP_METHODS:
        return "plain HTTP on the TLS port"
    if first[0] & SSL2_HELLO and len(first) > 2 and first[2] == 1:
        return "an SSL 2 hello"
    return f"not TLS: it begins with {first[:8].hex(' ')}"


def _is_plain_mqtt(first: bytes) -> bool:
    """Whether these bytes begin like an MQTT CONNECT: packet type 1, a length, then the protocol's name."""
    if first[0] != 0x10:
        return False
    at = 1
    while at < min(len(first), 4) and first[at] & 0x80:
        at += 1
    name = first[at + 1 : at + 7]
    return any(candidate.startswith(name) for candidate in (b"\x00\x04MQTT", b"\x00\x06MQIsdp"))
