"""The certificates that a server sends, as sent, whatever they are worth.

Nothing is verified here, and nothing is refused that a TLS library can be talked into: old versions, weak suites and
keys, any chain. A server that insists on a client certificate ends the handshake, but only after it has sent its own.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
import warnings
from dataclasses import dataclass

from cryptography import x509
from OpenSSL import SSL, crypto

from hil.chain.endpoint import ChainError, Endpoint, connect

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_SUITES = b"ALL:!aNULL:@SECLEVEL=0"  # all that show a certificate, at the level that refuses no key and no digest
_LEGACY_SERVER = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT: servers without RFC 5746
_RECORDS = range(20, 24)  # TLS content types: change_cipher_spec, alert, handshake, application_data
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server sent. `name` is what it was asked for, and what its certificate ought to be for.

    `version` and `cipher` were agreed on. `asks` tells that it wants a client certificate, `accepts` which issuers it
    named for that. `ended` is why the handshake broke off after the certificates had come, None if it did not.
    """

    endpoint: Endpoint
    name: str
    certificates: tuple[x509.Certificate, ...]
    version: str
    cipher: str
    asks: bool
    accepts: tuple[str, ...]
    ended: str | None


def fetch(endpoint: Endpoint, name: str | None = None, *, timeout: float = 10.0, version: str | None = None) -> Fetched:
    """The chain that the server sends to a client who asks for `name` (SNI; by default the host, if it is a name).

    `version` "1.2" or "1.3" speaks that one alone. `timeout` (seconds) holds for the connection, and again for the
    handshake. Raises ChainError: no connection, no TLS, no answer, no certificate.
    """
    wanted = endpoint.host if endpoint.is_address and not name else _ascii(name or endpoint.host)
    asked = wanted if name or not endpoint.is_address else None
    handshake = _Handshake(endpoint, _context(version), asked)
    with connect(endpoint, timeout) as sock:
        ended = handshake.run(sock, time.monotonic() + timeout)
    tls = handshake.tls
    sent = tls.get_peer_cert_chain() or []
    if not sent:
        raise ChainError(ended or f"{endpoint}: sent no certificate, expected at least the server's own")
    ders = [crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in sent]
    return Fetched(
        endpoint,
        wanted,
        tuple(_read(endpoint, place, der) for place, der in enumerate(ders, 1)),
        tls.get_protocol_version_name(),
        tls.get_cipher_name() or "no suite",
        handshake.asks,
        tuple(_words(issuer) for issuer in tls.get_client_ca_list()),
        ended,
    )


def _ascii(name: str) -> str:
    """A DNS name as certificates and TLS have it: letters beyond ASCII encoded (IDNA)."""
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        raise ChainError(f"found server name {name[:80]!r}, expected a DNS name") from None


def _context(version: str | None) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_cipher_list(_SUITES)
    context.set_options(_LEGACY_SERVER)
    if version is not None:
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
    else:
        context.set_min_proto_version(SSL.TLS1_VERSION)
    return context


def _read(endpoint: Endpoint, place: int, der: bytes) -> x509.Certificate:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about it is told in our own words
            certificate = x509.load_der_x509_certificate(der)
            # Read lazily, and nothing can be said of a certificate that lacks one of these.
            _ = certificate.subject, certificate.issuer, certificate.version, certificate.not_valid_after_utc
            return certificate
    except (ValueError, x509.InvalidVersion) as error:
        raise ChainError(f"{endpoint}: certificate {place} of those sent cannot be read ({error})") from None


def _words(name: crypto.X509Name) -> str:
    return ",".join(
        f"{key.decode()}={value.decode('utf-8', 'replace')}" for key, value in reversed(name.get_components())
    )


class _Handshake:
    """One handshake over a memory BIO, so that the first bytes can be looked at, and a deadline kept."""

    def __init__(self, endpoint: Endpoint, context: SSL.Context, asked: str | None) -> None:
        self.endpoint = endpoint
        self.asks = False
        self._answered = False
        context.set_info_callback(self._state)
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()
        if asked is not None:
            self.tls.set_tlsext_host_name(asked.encode())

    def run(self, sock: socket.socket, deadline: float) -> str | None:
        """Shake hands. Returns why it ended early, None if it did not. Raises ChainError if no TLS was spoken."""
        try:
            while not self._step():
                self._send(sock)
                self._receive(sock, deadline)
            self._send(sock)
            self.tls.shutdown()
            self._send(sock)
        except SSL.Error as error:
            with contextlib.suppress(OSError):
                self._send(sock)  # the alert, so that the server need not guess
            return f"{self.endpoint}: {_reason(error)}"
        except TimeoutError:
            return self._cut(f"no answer within the time-out; {_NO_TLS}" if not self._answered else "it fell silent")
        except OSError as error:
            return self._cut(error.strerror or str(error))
        return None

    def _step(self) -> bool:
        try:
            self.tls.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def _send(self, sock: socket.socket) -> None:
        while True:
            try:
                sock.sendall(self.tls.bio_read(_CHUNK))
            except SSL.WantReadError:
                return

    def _receive(self, sock: socket.socket, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        sock.settimeout(remaining)
        data = sock.recv(_CHUNK)
        if not data:
            raise ConnectionError(0, f"it closed the connection; {_NO_TLS}" if not self._answered else "it closed")
        if not self._answered and (data[0] not in _RECORDS or (len(data) > 1 and data[1] != 3)):
            raise ChainError(f"{self.endpoint}: answers without TLS ({data[:24]!r}); take its TLS port")
        self._answered = True
        self.tls.bio_write(data)

    def _cut(self, how: str) -> str:
        return f"{self.endpoint}: {how}" if not self._answered else f"{self.endpoint}: {how} in mid-handshake"

    def _state(self, tls: SSL.Connection, where: int, _value: int) -> None:
        self.asks = self.asks or b"certificate request" in tls.get_state_string()


_NO_TLS = "a port without TLS, or one that wants another name: see --name"


def _reason(error: SSL.Error) -> str:
    """OpenSSL's words: an alert that the server sent, or what this side found wrong."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    words = str(entries[-1][2]) if entries else "the handshake failed"
    alert = re.search(r"alert (.*)", words)
    if alert is None:
        return f"the handshake failed: {words}"
    return f"it ended the handshake with the alert '{alert[1]}'"
