"""The broker restarts under the board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from hil.gateway.faults.fault import Admission, Fault
from hil.gateway.faults.player import Ending, Link, Player

Closed = Literal["reset", "no-answer"]


@dataclass(frozen=True)
class Restart(Fault):
    """The broker goes down: open connections end, and connects are refused until the fault is over.

    How long that takes is the schedule's `seconds`. `how`: what becomes of open connections, 'fin' as a broker that
    is told to stop does it, 'reset' as one that crashes. `refuse`: what connects meet meanwhile, 'reset' for a closed
    port, 'no-answer' for a machine that is down. Sessions outlive it, as with a broker that stores them; armed with
    `ForgetSession` it is one that does not. An occasion is a connection or a connect.
    """

    name: ClassVar[str] = "restart"
    joins_open: ClassVar[bool] = True
    how: Ending = "fin"
    refuse: Closed = "reset"

    def __post_init__(self) -> None:
        self.expect_one_of("how", Ending)
        self.expect_one_of("refuse", Closed)

    def admit(self) -> Admission | None:
        return self.refuse

    def player(self, link: Link) -> Player:
        return _Ending(link, self.how)


class _Ending(Player):
    def __init__(self, link: Link, how: Ending) -> None:
        super().__init__(link)
        self._how = how

    def begin(self) -> None:
        if self.link.was_open and self.link.occasion():
            self.link.end(self._how)
