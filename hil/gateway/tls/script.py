"""What a TLS session shall do that no server does by itself: stop at a step, cut its records otherwise, leave rudely.

A step is a handshake message: one of the gateway's counts as reached when it has been sent, one of the device's when
it has been read. Order and names: RFC 8446 section 2 (TLS 1.3) and RFC 5246 section 7.3 (TLS 1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from hil.gateway.tls.alerts import ALERTS

How = Literal["stall", "fin", "reset", "alert"]
"""Say nothing more and hold the connection; close politely; close with RST; send an alert, then close."""

ALERT_NUMBERS: Final = {name: number for number, name in ALERTS.items()}

# name: (direction seen from the gateway, handshake type)
MESSAGES: Final[dict[str, tuple[str, int]]] = {
    "client-hello": ("read", 1),
    "server-hello": ("write", 2),
    "encrypted-extensions": ("write", 8),
    "certificate-request": ("write", 13),
    "server-certificate": ("write", 11),
    "server-certificate-verify": ("write", 15),
    "server-key-exchange": ("write", 12),
    "server-hello-done": ("write", 14),
    "server-finished": ("write", 20),
    "client-certificate": ("read", 11),
    "client-key-exchange": ("read", 16),
    "client-certificate-verify": ("read", 15),
    "client-finished": ("read", 20),
    "new-session-ticket": ("write", 4),
}

STEPS: Final[dict[str, tuple[str, ...]]] = {
    "TLSv1.2": (
        "client-hello",
        "server-hello",
        "server-certificate",
        "server-key-exchange",
        "certificate-request",
        "server-hello-done",
        "client-certificate",
        "client-key-exchange",
        "client-certificate-verify",
        "client-finished",
        "new-session-ticket",
        "server-finished",
    ),
    "TLSv1.3": (
        "client-hello",
        "server-hello",
        "encrypted-extensions",
        "certificate-request",
        "server-certificate",
        "server-certificate-verify",
        "server-finished",
        "client-certificate",
        "client-certificate-verify",
        "client-finished",
        "new-session-ticket",
    ),
}
"""The steps of a full handshake with a client certificate, in their order, for each version."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Go no further than `step`.

    `alert` is what `how` 'alert' sends. `refusal`: it is to look like a refusal of the client's certificate, so a
    device that shows none is left to the ordinary checks.
    """

    step: str
    how: How
    alert: str = "handshake_failure"
    refusal: bool = False

    def reached(self, direction: str, message: bytes) -> bool:
        """Whether this handshake message (header included; `direction` 'read' or 'write') is the step."""
        if (direction, message[0]) != MESSAGES[self.step]:
            return False
        return not self.refusal or _shows_certificate(message)


@dataclass(frozen=True, slots=True)
class Script:
    """`stops`: the first that is reached counts. `handshake_record`, `application_record`: bytes of plaintext in each
    record of the one kind and the other, as far as there is something to put in; None leaves it to OpenSSL.
    `close_notify`: whether the gateway says goodbye before it closes."""

    stops: tuple[Stop, ...] = ()
    handshake_record: int | None = None
    application_record: int | None = None
    close_notify: bool = True

    @property
    def needs_keys(self) -> bool:
        """Whether records have to be made that only the session's keys can make."""
        return self.handshake_record is not None or any(stop.how == "alert" for stop in self.stops)

    @property
    def rewrites(self) -> bool:
        """Whether what OpenSSL writes in the handshake is not sent as it is."""
        return bool(self.stops) or self.handshake_record is not None


ORDINARY: Final = Script()
"""Nothing out of the ordinary."""


def _shows_certificate(message: bytes) -> bool:
    """Whether a Certificate message has a certificate in it: an empty one is 8 bytes (TLS 1.3) or 7 long."""
    return len(message) > 8
