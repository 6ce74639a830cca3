"""A TCP connection that takes its time to close."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Link, Player
from hil.gateway.line import Item, QueueStage


@dataclass(frozen=True)
class SlowClose(Fault):
    """Send the gateway's FIN, or RST, `seconds` late, whoever began to close. An occasion is a connection.

    A device that closes and waits for the other side to close as well waits that long. What is sent before the end
    goes in time; the `close` event comes when the end is decided.
    """

    name: ClassVar[str] = "slow-close"
    joins_open: ClassVar[bool] = True
    seconds: float

    def __post_init__(self) -> None:
        self.expect_at_least("seconds", 0, "s")

    def player(self, link: Link) -> Player:
        return _Closing(link, self.seconds)


class _Closing(Player):
    def __init__(self, link: Link, seconds: float) -> None:
        super().__init__(link)
        self._seconds = seconds

    def begin(self) -> None:
        if self.link.occasion():
            self.link.stage("down", SlowCloseStage(self._seconds))


class SlowCloseStage(QueueStage):
    """Ends wait, bytes do not."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def pieces(self, item: Item, now: float) -> Iterable[tuple[float, Item]]:
        return [(now if isinstance(item, bytes) else now + self._seconds, item)]
