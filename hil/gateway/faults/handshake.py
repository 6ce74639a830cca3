"""The handshake ends before its end: nothing more is said, or the connection is closed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

from hil.gateway.faults.fault import Fault
from hil.gateway.tls import TlsSettings
from hil.gateway.tls.script import ALERT_NUMBERS, MESSAGES, Stop

Closing = Literal["fin", "reset", "alert"]


@dataclass(frozen=True)
class StallHandshake(Fault):
    """Go no further in the TLS handshake than `step`, and hold the connection until the device gives up.

    `step`: one of `hil.gateway.tls.STEPS`. A message of the gateway is still sent, one of the device still read; in a
    handshake without that step nothing happens. `tls-stalled` tells when it is reached.
    """

    name: ClassVar[str] = "stall-handshake"
    step: str = "client-hello"

    def __post_init__(self) -> None:
        check_step(self.name, self.step)

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return with_stop(settings, Stop(self.step, "stall"))


@dataclass(frozen=True)
class CloseHandshake(Fault):
    """Close the connection in the TLS handshake, once `step` is reached.

    `step`: as in StallHandshake. `how`: 'fin' closes without a word, 'reset' with RST, 'alert' sends the fatal alert
    `alert` (a name of RFC 8446 section 6.2), under the keys of that moment, and closes.
    """

    name: ClassVar[str] = "close-handshake"
    step: str = "client-hello"
    how: Closing = "fin"
    alert: str = "handshake_failure"

    def __post_init__(self) -> None:
        check_step(self.name, self.step)
        check_alert(self.name, self.alert)
        if self.how not in get_args(Closing):
            raise ValueError(f"{self.name}: how is {self.how!r}, expected one of {', '.join(get_args(Closing))}")

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return with_stop(settings, Stop(self.step, self.how, self.alert))


def with_stop(settings: TlsSettings, stop: Stop) -> TlsSettings:
    """`settings` with one more place to stop at; the one that is reached first counts."""
    return replace(settings, script=replace(settings.script, stops=(*settings.script.stops, stop)))


def check_step(name: str, step: str) -> None:
    """Raises ValueError for a step that is none."""
    if step not in MESSAGES:
        raise ValueError(f"{name}: step is {step!r}, expected one of {', '.join(MESSAGES)}")


def check_alert(name: str, alert: str) -> None:
    """Raises ValueError for an alert that is none, or that does not end a connection by itself."""
    known = set(ALERT_NUMBERS) - _NOT_FATAL
    if alert not in known:
        raise ValueError(f"{name}: alert is {alert!r}, expected one of {', '.join(sorted(known))}")


_NOT_FATAL = {"close_notify", "user_canceled", "no_renegotiation"}
