"""The handshake ends before its end: nothing more is said, or the connection is closed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal

from hil.gateway.faults.fault import Fault
from hil.gateway.tls import TlsSettings
from hil.gateway.tls.script import ALERT_NUMBERS, MESSAGES, Stop

Closing = Literal["fin", "reset", "alert"]
FATAL_ALERTS: Final = sorted(set(ALERT_NUMBERS) - {"close_notify", "user_canceled", "no_renegotiation"})
"""All alerts but those that do not end a connection by themselves."""


@dataclass(frozen=True)
class StallHandshake(Fault):
    """Go no further in the TLS handshake than `step`, and hold the connection until the device gives up.

    When the fault is cleared, what is stalled is reset.

    `step`: one of `hil.gateway.tls.STEPS`. A message of the gateway is still sent, one of the device still read; in a
    handshake without that step nothing happens. `tls-stalled` tells when it is reached.
    """

    name: ClassVar[str] = "stall-handshake"
    stalls: ClassVar[bool] = True
    step: str = "client-hello"

    def __post_init__(self) -> None:
        self.expect_one_of("step", MESSAGES)

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
        self.expect_one_of("step", MESSAGES)
        self.expect_one_of("alert", FATAL_ALERTS)
        self.expect_one_of("how", Closing)

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return with_stop(settings, Stop(self.step, self.how, self.alert))


def with_stop(settings: TlsSettings, stop: Stop) -> TlsSettings:
    """`settings` with one more place to stop at; the one that is reached first counts."""
    return replace(settings, script=replace(settings.script, stops=(*settings.script.stops, stop)))
