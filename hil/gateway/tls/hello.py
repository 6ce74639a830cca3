"""What the two hellos of a TLS handshake say, and what bytes that are none look like.

The server name and the offered versions are wanted even when the handshake then fails, and TLS libraries tell them
only when it succeeds. Layout: RFC 8446 section 4.1 (TLS 1.3), RFC 5246 section 7.4.1 (TLS 1.2). Extensions: RFC 6066
(server name, max_fragment_length), RFC 8449 (record_size_limit), RFC 5077 (session ticket), RFC 7301 (ALPN), RFC 8446
(versions, groups, signature algorithms, pre-shared keys).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from hil.gateway.tls.suites import is_grease, suite_name

HANDSHAKE_RECORD: Final = 0x16
SSL2_HELLO: Final = 0x80

_VERSIONS: Final = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
_HTTP_METHODS: Final = (b"GET ", b"PUT ", b"POST", b"HEAD", b"OPTI", b"CONN", b"PRI ")
_RETRY: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3)."""

_SERVER_NAME: Final = 0
_MAX_FRAGMENT_LENGTH: Final = 1
_GROUPS: Final = 10
_SIGNATURE_ALGORITHMS: Final = 13
_ALPN: Final = 16
_RECORD_SIZE_LIMIT: Final = 28
_SESSION_TICKET: Final = 35
_PRE_SHARED_KEY: Final = 41
_SUPPORTED_VERSIONS: Final = 43

_GROUP_NAMES: Final = {
    0x0013: "secp192r1",
    0x0015: "secp224r1",
    0x0016: "secp256k1",
    0x0017: "secp256r1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x001A: "brainpoolP256r1",
    0x001B: "brainpoolP384r1",
    0x001C: "brainpoolP512r1",
    0x001D: "x25519",
    0x001E: "x448",
    0x0100: "ffdhe2048",
    0x0101: "ffdhe3072",
    0x0102: "ffdhe4096",
    0x11EC: "X25519MLKEM768",
}
_SIGNATURE_NAMES: Final = {
    0x0201: "rsa_pkcs1_sha1",
    0x0203: "ecdsa_sha1",
    0x0401: "rsa_pkcs1_sha256",
    0x0403: "ecdsa_secp256r1_sha256",
    0x0501: "rsa_pkcs1_sha384",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0601: "rsa_pkcs1_sha512",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
    0x0808: "ed448",
}

Ticket = Literal["none", "empty", "offered"]


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client offers, in its own order; GREASE (RFC 8701) left out.

    `sni` is the server name asked for, or None. `versions` are names such as 'TLSv1.2'; `ciphers` are the code points
    of the suites. `max_fragment_length` and `record_size_limit` are bytes, None where not asked for. `ticket`: whether
    it knows session tickets ('empty') and shows one ('offered'). `session_id`: whether it names a session of TLS 1.2
    (TLS 1.3 clients fill the field for old middleboxes' sake); `psk`: whether it offers to resume one of TLS 1.3.
    """

    sni: str | None
    versions: tuple[str, ...]
    ciphers: tuple[int, ...]
    groups: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    max_fragment_length: int | None = None
    record_size_limit: int | None = None
    ticket: Ticket = "none"
    session_id: bool = False
    psk: bool = False

    def facts(self) -> dict[str, Any]:
        """The data of the `hello` event: the same, with the suites' names."""
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        told = {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}
        return {**told, "ciphers": [suite_name(number) for number in self.ciphers]}


@dataclass(frozen=True, slots=True)
class ServerHello:
    """`version` is a name, `cipher` a code point, `random` the 32 bytes."""

    version: str
    cipher: int
    random: bytes


class HelloRetry(ValueError):
    """The message is a HelloRetryRequest, which has the form of a ServerHello."""


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

    def numbers(self, length_size: int) -> list[int]:
        """A vector of two-byte numbers."""
        inside = _Reader(self.vector(length_size))
        found = []
        while inside:
            found.append(inside.number(2))
        return found

    def __bool__(self) -> bool:
        return self._at < len(self._data)


def parse_client_hello(message: bytes) -> ClientHello:
    """Read a handshake message of type 1, its four-byte header included.

    Raises ValueError where it is cut off or is another message.
    """
    body = _body(message, 1, "ClientHello")
    legacy_version = body.number(2)
    body.take(32)  # random
    session_id = body.vector(1)
    ciphers = tuple(number for number in body.numbers(2) if not is_grease(number))
    body.vector(1)  # compression methods
    found = _extensions(body)
    versions = found[_SUPPORTED_VERSIONS].numbers(1) if _SUPPORTED_VERSIONS in found else [legacy_version]
    fragment = found[_MAX_FRAGMENT_LENGTH].number(1) if found.get(_MAX_FRAGMENT_LENGTH) else 0
    limit = found.get(_RECORD_SIZE_LIMIT)
    ticket = found.get(_SESSION_TICKET)
    return ClientHello(
        sni=_server_name(found.get(_SERVER_NAME)),
        versions=tuple(_VERSIONS[v] for v in versions if v in _VERSIONS),
        ciphers=ciphers,
        groups=_names(found.get(_GROUPS), _GROUP_NAMES),
        signatures=_names(found.get(_SIGNATURE_ALGORITHMS), _SIGNATURE_NAMES),
        alpn=_protocols(found.get(_ALPN)),
        max_fragment_length=2 ** (8 + fragment) if 1 <= fragment <= 4 else None,
        record_size_limit=limit.number(2) if limit else None,
        ticket="none" if ticket is None else "offered" if ticket else "empty",
        session_id=bool(session_id),
        psk=_PRE_SHARED_KEY in found,
    )


def parse_server_hello(message: bytes) -> ServerHello:
    """Read a handshake message of type 2, its header included. Raises HelloRetry, and ValueError where it is none."""
    body = _body(message, 2, "ServerHello")
    version, random = body.number(2), body.take(32)
    if random == _RETRY:
        raise HelloRetry("a HelloRetryRequest")
    body.vector(1)  # session id
    cipher = body.number(2)
    body.take(1)  # compression
    found = _extensions(body)
    if _SUPPORTED_VERSIONS in found:
        version = found[_SUPPORTED_VERSIONS].number(2)
    return ServerHello(_VERSIONS.get(version, f"0x{version:04x}"), cipher, random)


def _body(message: bytes, kind: int, name: str) -> _Reader:
    reader = _Reader(message)
    if reader.number(1) != kind:
        raise ValueError(f"not a {name}")
    return _Reader(reader.vector(3))


def _extensions(body: _Reader) -> dict[int, _Reader]:
    """What is left of a hello's body: each extension's content by its number."""
    found = {}
    rest = _Reader(body.vector(2) if body else b"")
    while rest:
        kind = rest.number(2)
        found[kind] = _Reader(rest.vector(2))
    return found


def _text(name: bytes) -> str:
    """A name as one line of text, whatever it holds: what is not printable ASCII becomes a backslash escape."""
    return "".join(chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}" for b in name)


def _server_name(content: _Reader | None) -> str | None:
    names = _Reader(content.vector(2)) if content else None
    if names and names.number(1) == 0:
        return _text(names.vector(2))
    return None


def _protocols(content: _Reader | None) -> tuple[str, ...]:
    found = []
    names = _Reader(content.vector(2)) if content else None
    while names:
        found.append(_text(names.vector(1)))
    return tuple(found)


def _names(content: _Reader | None, known: dict[int, str]) -> tuple[str, ...]:
    numbers = content.numbers(2) if content else []
    return tuple(known.get(number, f"0x{number:04X}") for number in numbers if not is_grease(number))


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
