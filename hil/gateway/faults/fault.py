"""What a fault is: one small frozen class, its parameters declared as fields with units.

It says at which points of a connection's life it steps in, by overriding the methods below; everything else goes on
as ever. When it applies is not its own business: that is a Schedule.

    handle = gateway.arm(RefuseConnect(), "esp32-a", Schedule(count=3))
    ...
    handle.clear()

    with gateway.fault(Withhold("puback"), "esp32-a"):
        ...
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args

from hil.gateway.faults.player import Link, Player
from hil.gateway.tls import TlsSettings

Admission = Literal["reset", "fin", "no-answer"]
"""What can happen to a TCP connection that is not served."""


@dataclass(frozen=True)
class Fault:
    """The points at which a fault may step in, each doing nothing here.

    `joins_open`: whether it also plays on connections that are open when it is armed. `stalls`: whether `tls` may have
    the handshake stalled, so that the connection has to be let go when the fault is cleared.
    """

    name: ClassVar[str] = "fault"
    joins_open: ClassVar[bool] = False
    stalls: ClassVar[bool] = False

    def admit(self) -> Admission | None:
        """At the TCP accept: None serves the connection, anything else says what becomes of it instead."""
        return None

    def tls(self, settings: TlsSettings) -> TlsSettings:
        """Before the handshake: the settings that it shall have. The same object back: nothing to change."""
        return settings

    def player(self, link: Link) -> Player | None:
        """For each connection: who plays the fault on it; None if nobody has to."""
        return None

    def parameters(self) -> dict[str, Any]:
        """The fields as the timeline tells them. PEM and other bytes are left out: a key must not get into a log."""
        return {f.name: value for f in fields(self) if not isinstance(value := getattr(self, f.name), bytes) and f.repr}

    # -- for the checks of a fault's own fields --------------------------------------------------------------------

    def expect_one_of(self, field: str, choices: Any) -> None:
        """Raises ValueError unless the field holds one of the words of a Literal, or of a collection of words."""
        allowed = get_args(choices) or tuple(choices)
        value = getattr(self, field)
        if value not in allowed:
            raise ValueError(f"{self.name}: {field} is {value!r}, expected one of {', '.join(map(str, allowed))}")

    def expect_at_least(self, field: str, least: float, unit: str = "") -> None:
        """Raises ValueError unless the field holds a number of `least` or more."""
        value = getattr(self, field)
        if not value >= least:
            raise ValueError(f"{self.name}: {field} is {value}, expected {f'{least:g} {unit}'.rstrip()} or more")
