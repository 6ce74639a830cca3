"""TLS, with dates judged by the board's own clock, and errors with the numbers that mbedTLS gives them.

OpenSSL does the work (through pyOpenSSL, whose X509Store has `set_time`: it judges certificates at any time one
wants). What a board's log shows is mbedTLS's view, so OpenSSL's reasons are translated. Numbers: mbedTLS headers
(ssl.h, x509.h), as listed in its error reference.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from OpenSSL import SSL, crypto

from hil.virtual.firmware.network import NetworkError, Stream
from hil.virtual.firmware.records import PickyReader, RecordRefused

VERIFY_FAILED = -0x2700
NO_CA = -0x7680
END_OF_FILE = -0x7280
PEER_ALERT = -0x7780
BAD_RECORD = -0x7200
BAD_MAC = -0x7180
BAD_VERSION = -0x6E80
UNEXPECTED = -0x7700
TIME_OUT = -0x6800
CONNECTION_RESET = -0x0050
NO_MEMORY = -0x7F00

EXPIRED, NAME, NOT_TRUSTED, OTHER, EXTENDED_USAGE, BAD_DIGEST, FUTURE, BAD_KEY = (
    0x1, 0x4, 0x8, 0x100, 0x1000, 0x4000, 0x200, 0x10000,
)  # fmt: skip
"""Flags of a failed verification (mbedTLS x509.h, MBEDTLS_X509_BADCERT_...)."""

FLAG_WORDS = {
    EXPIRED: "The certificate validity has expired",
    NAME: "The certificate does not hold the expected name",
    NOT_TRUSTED: "The certificate is not correctly signed by the trusted CA",
    OTHER: "Other reason",
    FUTURE: "The certificate validity starts in the future",
    EXTENDED_USAGE: "Usage does not match the extendedKeyUsage extension",
    BAD_DIGEST: "The certificate is signed with an unacceptable hash",
    BAD_KEY: "The certificate is signed with an unacceptable key",
}

# OpenSSL's verify errors (x509_vfy.h) that are not 'not trusted'.
_NOT_YET_VALID, _HAS_EXPIRED = 9, 10
_FLAG_OF_ERROR = {
    _NOT_YET_VALID: FUTURE, _HAS_EXPIRED: EXPIRED, 26: EXTENDED_USAGE, 62: NAME, 64: NAME,
    66: BAD_KEY, 67: BAD_KEY, 68: BAD_DIGEST,
}  # fmt: skip

# What an intermediate may be refused for (x509_vfy.h): invalid CA, path length, purpose, key usage, no CA.
CHAIN_ERRORS = frozenset({24, 25, 26, 32, 37, 41, 79})
# A weak key of the leaf or of an authority, a weak digest.
WEAKNESSES = frozenset({66, 67, 68})
ALL_ERRORS = frozenset(range(1, 256))

WEAK_CIPHERS = ":".join(
    f"{exchange}-AES{bits}-SHA" for exchange in ("ECDHE-ECDSA", "ECDHE-RSA", "DHE-RSA") for bits in (256, 128)
)
"""CBC with SHA-1: what remains in old configurations, and in nobody's recommendations (RFC 9325, section 4.2)."""

_NO_PARTIAL_WILDCARDS = 0x4  # X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS: 'x*.example' matches nothing, as in mbedTLS


class TlsError(Exception):
    """A handshake or a connection that failed. `code` as mbedTLS returns it, `flags` of the verification."""

    def __init__(self, code: int, detail: str = "", flags: int = 0) -> None:
        super().__init__(f"-0x{-code:04X} {detail}".rstrip())
        self.code = code
        self.flags = flags
        self.detail = detail

    @property
    def own_certificate_expired(self) -> bool:
        """Whether the server has said so, by its alert (RFC 5246 section 7.2.2: certificate_expired)."""
        return self.code == PEER_ALERT and "certificate expired" in self.detail

    @property
    def verification(self) -> str:
        """The flags in words."""
        return "; ".join(words for flag, words in FLAG_WORDS.items() if self.flags & flag)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a handshake needs. `now` is the board's time in seconds since 1970, None: dates are not checked;
    `name` is the server's that the certificate must hold, None: any."""

    trusted: list[crypto.X509]
    chain: list[crypto.X509]  # leaf first
    key: crypto.PKey | None
    now: float | None
    name: str | None
    server: str  # for the server name indication
    newest: str = "1.2"
    forgives: frozenset[int] = frozenset()  # OpenSSL's verify errors that this firmware does not mind
    ciphers: str | None = None  # the suites to offer, in OpenSSL's words; None: a good choice
    indicates_name: bool = True  # in the ClientHello (SNI, RFC 6066)
    alerts: bool = True  # before it closes a connection for what the server did
    small_buffer: bool = False  # takes records of up to 4 KB only
    whole_messages: bool = False  # takes no handshake message that comes in pieces
    remembered: frozenset[bytes] = frozenset()  # digests of servers' certificates that are not verified again
    old: bool = False  # speaks nothing newer than TLS 1.1


_OLD_CIPHERS = b"DEFAULT@SECLEVEL=0"
"""OpenSSL has to be asked for what TLS 1.1 and older sign with (SHA-1 and MD5)."""


@dataclass(slots=True)
class _Verdict:
    """What the verification found; filled by OpenSSL's callback."""

    forgives: frozenset[int]
    remembered: frozenset[bytes] = frozenset()
    flags: int = 0

    def __call__(self, conn: SSL.Connection, cert: crypto.X509, error: int, depth: int, ok: int) -> bool:
        if ok:
            return True
        if error in self.forgives or cert.digest("sha256") in self.remembered:
            return True
        self.flags |= _FLAG_OF_ERROR.get(error, NOT_TRUSTED)
        return False


def _context(identity: Identity, verdict: _Verdict) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    newest = SSL.TLS1_3_VERSION if identity.newest == "1.3" and not identity.ciphers else SSL.TLS1_2_VERSION
    if identity.old:
        context.set_cipher_list(_OLD_CIPHERS)
    context.set_min_proto_version(SSL.TLS1_VERSION if identity.old else SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_1_VERSION if identity.old else newest)
    if identity.ciphers:
        context.set_cipher_list(identity.ciphers.encode())
    context.set_verify(SSL.VERIFY_PEER, verdict)
    store = context.get_cert_store()
    if store is None:
        raise TlsError(NO_MEMORY)
    # mbedTLS trusts whatever is in its list, be it a root or not.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    if identity.now is not None:
        store.set_time(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=identity.now))
    for certificate in identity.trusted:
        store.add_cert(certificate)
    if identity.chain and identity.key is not None:
        try:
            context.use_certificate(identity.chain[0])
        except SSL.Error:  # too weak for OpenSSL's security level, of which mbedTLS has none for what it sends itself
            context.set_cipher_list(_OLD_CIPHERS)
            context.use_certificate(identity.chain[0])
        for certificate in identity.chain[1:]:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(identity.key)
    return context


def _expect_name(connection: SSL.Connection, name: str) -> None:
    """Let OpenSSL check the name together with the chain, so that a mismatch ends in its alert, bad_certificate.

    pyOpenSSL has no public way to do this; the functions are those of SSL_get0_param(3).
    """
    lib = SSL._lib  # type: ignore[attr-defined]
    parameters = lib.SSL_get0_param(connection._ssl)
    lib.X509_VERIFY_PARAM_set_hostflags(parameters, _NO_PARTIAL_WILDCARDS)
    try:
        packed = ipaddress.ip_address(name).packed
    except ValueError:
        done = lib.X509_VERIFY_PARAM_set1_host(parameters, name.encode("idna"), len(name.encode("idna")))
    else:
        done = lib.X509_VERIFY_PARAM_set1_ip(parameters, packed, len(packed))
    if done != 1:
        raise TlsError(UNEXPECTED, f"the expected server name {name!r} cannot be checked")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _code(error: SSL.Error) -> tuple[int, str]:
    """mbedTLS's number for an error of OpenSSL, and OpenSSL's words for it."""
    reasons = [str(entry[-1]) for entry in (error.args[0] if error.args else [])]
    text = "; ".join(reasons) or type(error).__name__
    for part, code in (
        ("verify failed", VERIFY_FAILED),
        ("alert", PEER_ALERT),
        ("unexpected eof", END_OF_FILE),
        ("bad record mac", BAD_MAC),
        ("decryption failed", BAD_MAC),
        ("wrong version number", BAD_RECORD),
        ("packet length", BAD_RECORD),
        ("record", BAD_RECORD),
        ("protocol", BAD_VERSION),
    ):
        if part in text:
            return code, text
    return UNEXPECTED, text


def _picky(identity: Identity) -> PickyReader | None:
    if identity.small_buffer or identity.whole_messages:
        return PickyReader(small=identity.small_buffer, whole=identity.whole_messages)
    return None


class TlsStream:
    """A TLS connection over a stream. Nothing of the application leaves before the server is verified."""

    def __init__(self, stream: Stream, identity: Identity) -> None:
        self._stream = stream
        self._identity = identity
        dates = frozenset({_NOT_YET_VALID, _HAS_EXPIRED}) if identity.now is None else frozenset()
        self._verdict = _Verdict(identity.forgives | dates, identity.remembered)
        self._tls = SSL.Connection(_context(identity, self._verdict), None)
        self._picky = _picky(identity)
        if identity.indicates_name and not _is_address(identity.server):
            self._tls.set_tlsext_host_name(identity.server.encode("idna"))
        if identity.name is not None:
            _expect_name(self._tls, identity.name)
        self._tls.set_connect_state()

    @property
    def version(self) -> str:
        """'TLSv1.2' or 'TLSv1.3'."""
        return self._tls.get_protocol_version_name()

    @property
    def server_digest(self) -> bytes | None:
        """The SHA-256 of the server's certificate, once it has been shown."""
        certificate = self._tls.get_peer_certificate()
        return None if certificate is None else certificate.digest("sha256")

    async def handshake(self, seconds: float | None) -> None:
        """Shake hands, for so long at most (None: for ever); raises TlsError, after the alert has been sent."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._step():
                    pass
        except TimeoutError:
            raise TlsError(TIME_OUT, "the server did not answer in time") from None
        except NetworkError as error:
            raise TlsError(CONNECTION_RESET, error.words) from None

    async def _step(self) -> bool:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            await self._flush(60)
            data = await self._stream.read()
            if not data:
                raise TlsError(END_OF_FILE, "the server closed the connection") from None
            self._take(data)
            return False
        except SSL.Error as error:
            if self._identity.alerts:
                await self._flush(1)
            code, text = _code(error)
            if code == VERIFY_FAILED and not self._identity.trusted:
                code = NO_CA
            raise TlsError(code, text, self._verdict.flags) from None
        await self._flush(60)
        return True

    async def read(self) -> bytes:
        """The next bytes of the application; none when the server has closed. Raises TlsError, NetworkError."""
        while True:
            try:
                return self._tls.recv(16384)
            except SSL.WantReadError:
                await self._flush(10)
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:
                code, text = _code(error)
                raise TlsError(code, text) from None
            data = await self._stream.read()
            if not data:
                return b""
            self._take(data)

    def _take(self, data: bytes) -> None:
        if self._picky is not None:
            try:
                self._picky.take(data)
            except RecordRefused as error:
                raise TlsError(BAD_RECORD, str(error)) from None
        self._tls.bio_write(data)

    async def write(self, data: bytes, seconds: float) -> None:
        """Send bytes of the application; raises TlsError, and NetworkError if the network takes none for so long."""
        try:
            self._tls.sendall(data)
        except SSL.Error as error:
            code, text = _code(error)
            raise TlsError(code, text) from None
        await self._flush(seconds)

    async def close(self) -> None:
        """close_notify, and the connection closed in order."""
        try:
            self._tls.shutdown()
            await self._flush(1)
        except (SSL.Error, NetworkError):
            pass
        await self._stream.close()

    async def _flush(self, seconds: float) -> None:
        while True:
            try:
                data = self._tls.bio_read(65536)
            except SSL.WantReadError:
                return
            await self._stream.write(data, seconds)
