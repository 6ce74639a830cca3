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
import ssl
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from cryptography import x509

from hil.gateway.tls.alerts import HANDSHAKE_MESSAGES, alert_name, device_says, gateway_says
from hil.gateway.tls.context import Observed, ServerContext
from hil.gateway.tls.flight import ALERT, HANDSHAKE, Flight
from hil.gateway.tls.hello import ClientHello, parse_client_hello, what_is_this
from hil.gateway.tls.script import ORDINARY, Script, Stop

_READ: Final = 16384
"""Bytes; the plaintext of one TLS record has no more (RFC 8446 section 5.1)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a handshake failed: the data of the `tls-failed` event. `step` is the last handshake message seen.

    `played`: a fault ended it, and not as a refusal of the device's certificate; `reset`: it wants an RST.
    """

    reason: str
    alert: str | None = None
    alert_from: str | None = None
    verify_code: int | None = None
    verify_message: str | None = None
    step: str | None = None
    played: bool = False
    reset: bool = False


class TlsSession:
    """One TLS connection's server side, bytes in and bytes out.

    `receive` takes what came from the network and returns what it decrypts to; `outgoing` gives what has to be sent.
    After each `receive` look at `failure`, `established` and `ended`.
    """

    def __init__(self, context: ServerContext, script: Script = ORDINARY) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = cast(Observed, context.wrap_bio(self._in, self._out, server_side=True))
        self._tls.observer = self._observe
        self._script = script
        self._flight: Flight | None = None
        if self._script.rewrites:
            self._flight = Flight(self._script, context.secret_log)
            self._tls.detailed = True
        self._first = b""
        self._facts: dict[str, Any] = {}
        self.certificate: bytes | None = None  # what the device has shown, as DER, once the session is established
        self._new_hellos: list[ClientHello] = []
        self._stalled = False
        self._alert: tuple[str, str] | None = None
        self.established = False
        self.ended = False  # the device sent close_notify
        self.failure: Failure | None = None
        self.hello: ClientHello | None = None
        self.step: str | None = None  # the last handshake message that came or went, in words

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
        size = self._script.application_record
        if size is None:
            self._tls.write(data)
        else:
            for at in range(0, len(data), size):
                self._tls.write(data[at : at + size])
        return self._out.read()

    def outgoing(self) -> bytes:
        """Ciphertext that waits to be sent: handshake messages and alerts."""
        raw = self._out.read() if self._out.pending else b""
        if self._flight is None:
            return raw
        out = self._flight.release(raw)
        if self.stopped is None:
            if self.established:
                self._flight = None
                self._tls.detailed = False
        elif self.stopped.how != "stall" and self.failure is None:
            self.failure = self._stop(self.stopped)
        return out

    @property
    def stopped(self) -> Stop | None:
        """The stop that the handshake has come to, if the script has one and it is reached."""
        return self._flight.stopped if self._flight is not None else None

    def new_hellos(self) -> list[ClientHello]:
        """The ClientHellos that came since the last call: one, or a second after a HelloRetryRequest."""
        new, self._new_hellos = self._new_hellos, []
        return new

    def stalls(self) -> bool:
        """True once, when the script has begun to stall the handshake."""
        if self._stalled or self.stopped is None or self.stopped.how != "stall":
            return False
        self._stalled = True
        return True

    def goodbye(self) -> bytes:
        """close_notify, as ciphertext; nothing if there is no session to close, or if the script leaves it out."""
        if self.established and self.failure is None and self._script.close_notify:
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
        """The data of the `tls` event; nothing before the session is established."""
        return self._facts

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
            # What OpenSSL finds wrong behind the stop is never sent; what the device says there is heard.
            if self.stopped is None or (self._alert is not None and self._alert[1] == "device"):
                self.failure = self._explain(error)
            return False
        if self.stopped is None:
            self._facts = self._gather()  # now: garbage behind the handshake would break the session first
            self.established = True
        else:
            self._in.read()  # the handshake has been done behind the stop: what the device says now is not heard
        return self.established

    def _gather(self) -> dict[str, Any]:
        der = self.certificate = self._tls.getpeercert(binary_form=True)
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
        stopped = self.stopped is not None
        if self._flight is not None:
            self._flight.observe(direction, content, data)
        if stopped and direction == "write":
            return
        who = "device" if direction == "read" else "gateway"
        if content == ALERT:
            if len(data) >= 2:
                self._alert = (alert_name(data[1]), who)
        elif content == HANDSHAKE and not stopped:
            message = HANDSHAKE_MESSAGES.get(data[0], f"handshake message {data[0]}") if data else "nothing"
            self.step = f"{message} of the {who}"
            if who == "device" and data[:1] == b"\x01":
                with contextlib.suppress(ValueError):
                    self.hello = parse_client_hello(data)
                    self._new_hellos.append(self.hello)

    def _stop(self, stop: Stop) -> Failure:
        if self._flight is not None and self._flight.alert is not None:
            self._alert = (self._flight.alert, "gateway")
        if stop.refusal:
            return self._failed("client certificate refused")
        how = {"fin": "closed", "reset": "reset", "alert": "ended with an alert"}.get(stop.how, stop.how)
        failure = self._failed(f"the handshake was {how} by the gateway, as a fault has it")
        return replace(failure, played=True, reset=stop.how == "reset")

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
        return Failure(reason, alert, sender, verify_code, verify_message, self.step)


class ClearSession:
    """The same door without TLS, for boards that speak plain MQTT."""

    established = True
    ended = False
    failure: Failure | None = None
    stopped: Stop | None = None
    sni: str | None = None
    certificate: bytes | None = None

    def receive(self, data: bytes) -> bytes:
        return data

    def send(self, data: bytes) -> bytes:
        return data

    def outgoing(self) -> bytes:
        return b""

    def goodbye(self) -> bytes:
        return b""
