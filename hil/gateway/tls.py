"""The gateway's TLS, on memory buffers of its own.

asyncio can terminate TLS by itself, but then a failed handshake is one exception and a closed socket. Here bytes go in
and bytes come out, so that the gateway sees every handshake message and every alert by name, both ways, and decides
itself what is sent when.

TLS 1.3 tells some things late. A device that refuses the server's certificate says so only after the server has sent
its Finished; a device whose own certificate is refused believes itself connected, and meets the alert at its first
read. Both are handshake failures here, because for the server the handshake ends with the client's Finished.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from cryptography import x509

from hil.gateway.alerts import HANDSHAKE_MESSAGES, alert_name, device_says, gateway_says
from hil.gateway.hello import ClientHello, parse_client_hello, what_is_this

_READ = 16384
"""Bytes; the plaintext of one TLS record has no more (RFC 8446 section 5.1)."""
_ALERT: Final = 21
_HANDSHAKE: Final = 22

VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class Identity(Protocol):
    """A certificate with its key, both PEM: the chain is leaf first."""

    @property
    def chain_pem(self) -> bytes: ...
    @property
    def key_pem(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What the gateway shows to a board: a certificate chain (leaf first) and the leaf's key, both PEM."""

    chain_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """All that a handshake depends on. Faults make changed copies; equal settings share one context.

    `client_ca`: PEM of the authorities whose client certificates are accepted; None: none is asked for.
    `partial_chain`: whether an intermediate in `client_ca` is an anchor by itself, as with brokers to which one
    uploads the leaf's immediate issuer. `minimum` and `maximum`: 'TLSv1.2' or 'TLSv1.3'.
    """

    chain_pem: bytes
    key_pem: bytes = field(repr=False)
    client_ca: bytes | None
    partial_chain: bool = False
    minimum: str = "TLSv1.2"
    maximum: str = "TLSv1.3"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a handshake failed: the data of the `tls-failed` event. `step` is the last handshake message seen."""

    reason: str
    alert: str | None = None
    alert_from: str | None = None
    verify_code: int | None = None
    verify_message: str | None = None
    step: str | None = None


class _Observed(ssl.SSLObject):
    """An SSLObject that hands on what the context's message callback says about it."""

    observer: Callable[[str, int, bytes], None] | None = None


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """A server context for `settings`.

    Raises ValueError, in one line, for a PEM that cannot be used. Keys go through anonymous memory, not through a file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[settings.minimum]
    context.maximum_version = VERSIONS[settings.maximum]
    context.sslobject_class = _Observed
    _load_identity(context, settings.chain_pem, settings.key_pem)
    if settings.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        if settings.partial_chain:
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cadata=settings.client_ca.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise ValueError(f"the client CA is no PEM certificate ({error}); give the authority's PEM") from None
    _observe(context)
    return context


def _load_identity(context: ssl.SSLContext, chain_pem: bytes, key_pem: bytes) -> None:
    """ssl takes certificates from files alone: give it one that has no name (Linux), or that is gone at once."""
    pem = key_pem.rstrip() + b"\n" + chain_pem
    try:
        if hasattr(os, "memfd_create"):
            handle = os.memfd_create("identity", os.MFD_CLOEXEC)
            try:
                with open(handle, "wb", closefd=False) as file:
                    file.write(pem)
                context.load_cert_chain(f"/proc/self/fd/{handle}")
            finally:
                os.close(handle)
        else:
            with tempfile.NamedTemporaryFile() as file:
                file.write(pem)
                file.flush()
                context.load_cert_chain(file.name)
    except ssl.SSLError as error:
        why = "its key belongs to another certificate" if error.reason == "KEY_VALUES_MISMATCH" else str(error)
        raise ValueError(
            f"the server identity cannot be used: {why}; give a PEM chain, leaf first, and its key"
        ) from None


def _observe(context: ssl.SSLContext) -> None:
    """Have the context tell every handshake message and alert, decrypted.

    CPython has had this debugging hook since 3.8, under a private name. Where it is missing, failures are told by
    OpenSSL's error words alone. The descriptor is used directly because ssl.py's own wrapper makes enums of each
    argument, for each record.
    """
    raw = getattr(ssl, "_ssl", None)
    hook = raw._SSLContext.__dict__.get("_msg_callback") if raw is not None else None
    if hook is None:  # pragma: no cover
        return

    def told(tls: Any, direction: str, version: int, content: int, kind: int, data: bytes) -> None:
        if content in (_HANDSHAKE, _ALERT):
            observer = getattr(tls, "observer", None)
            if observer is not None:
                observer(direction, content, data)

    hook.__set__(context, told)


class TlsSession:
    """One TLS connection's server side, bytes in and bytes out.

    `receive` takes what came from the network and returns what it decrypts to; `outgoing` gives what has to be sent.
    After each `receive` look at `failure`, `established` and `ended`.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = cast(_Observed, context.wrap_bio(self._in, self._out, server_side=True))
        self._tls.observer = self._observe
        self._first = b""
        self._step: str | None = None
        self._alert: tuple[str, str] | None = None
        self.established = False
        self.ended = False  # the device sent close_notify
        self.failure: Failure | None = None
        self.hello: ClientHello | None = None

    def receive(self, data: bytes) -> bytes:
        """Feed ciphertext, get plaintext (none while the handshake lasts)."""
        if self.failure is not None or self.ended:
            return b""
        self._in.write(data)
        if not self.established:
            if len(self._first) < 16:
                self._first += data[:16]
            if not self._handshake():
                return b""
        return self._read()

    def send(self, data: bytes) -> bytes:
        """Feed plaintext, get ciphertext."""
        self._tls.write(data)
        return self._out.read()

    def outgoing(self) -> bytes:
        """Ciphertext that waits to be sent: handshake messages and alerts."""
        return self._out.read() if self._out.pending else b""

    def goodbye(self) -> bytes:
        """close_notify, as ciphertext; nothing if there is no session to close."""
        if self.established and self.failure is None:
            with contextlib.suppress(ssl.SSLError):  # raised as the device's own close_notify has not come yet
                self._tls.unwrap()
        return self.outgoing()

    def cut_off(self, how: str) -> Failure:
        """What it means that the device went away (`how`: 'closed', 'reset') while the handshake was going on."""
        if not self._first:
            reason = f"the device {how} the connection before sending anything"
        elif (stranger := what_is_this(self._first)) is not None:
            reason = stranger
        else:
            reason = f"the device {how} the connection in the handshake, without an alert"
        return self._failed(reason)

    def timed_out(self, seconds: float) -> Failure:
        """What it means that the handshake has not ended after `seconds`."""
        return self._failed(f"the handshake did not end within {seconds:g} s")

    def facts(self) -> dict[str, Any]:
        """The data of the `tls` event."""
        der = self._tls.getpeercert(binary_form=True)
        certificate = x509.load_der_x509_certificate(der) if der else None
        cipher = self._tls.cipher()
        return {
            "version": self._tls.version(),
            "cipher": cipher[0] if cipher else None,
            "subject": certificate.subject.rfc4514_string() if certificate else None,
            "serial": f"{certificate.serial_number:x}" if certificate else None,
            "sni": self.sni,
            "resumed": bool(self._tls.session_reused),
        }

    @property
    def sni(self) -> str | None:
        """The server name that the device asked for."""
        return self.hello.sni if self.hello else None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _handshake(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLError, OSError) as error:
            self.failure = self._explain(error)
            return False
        self.established = True
        return True

    def _read(self) -> bytes:
        parts = []
        try:
            # A read with nothing to read costs an exception: look first. A record that is not whole yet has been
            # taken out of `_in` and counts as read.
            while self._in.pending or self._tls.pending():
                part = self._tls.read(_READ)
                if not part:
                    self.ended = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except (ssl.SSLError, OSError) as error:
            self.failure = self._explain(error)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _observe(self, direction: str, content: int, data: bytes) -> None:
        who = "device" if direction == "read" else "gateway"
        if content == _ALERT:
            if len(data) >= 2:
                self._alert = (alert_name(data[1]), who)
            return
        message = HANDSHAKE_MESSAGES.get(data[0], f"handshake message {data[0]}") if data else "nothing"
        self._step = f"{message} of the {who}"
        if who == "device" and data[:1] == b"\x01":
            try:
                self.hello = parse_client_hello(data)
            except ValueError:
                self.hello = None

    def _explain(self, error: Exception) -> Failure:
        word = error.reason if isinstance(error, ssl.SSLError) else None
        stranger = what_is_this(self._first)
        if stranger is not None:
            return self._failed(stranger)
        if self._alert is not None and self._alert[1] == "device":
            return self._failed(device_says(self._alert[0]))
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._failed(gateway_says(word), error.verify_code, error.verify_message)
        return self._failed(gateway_says(word))

    def _failed(self, reason: str, verify_code: int | None = None, verify_message: str | None = None) -> Failure:
        alert, sender = self._alert or (None, None)
        return Failure(reason, alert, sender, verify_code, verify_message, self._step)


class ClearSession:
    """The same door without TLS, for boards that speak plain MQTT."""

    established = True
    ended = False
    failure: Failure | None = None
    sni: str | None = None

    def receive(self, data: bytes) -> bytes:
        return data

    def send(self, data: bytes) -> bytes:
        return data

    def outgoing(self) -> bytes:
        return b""

    def goodbye(self) -> bytes:
        return b""
