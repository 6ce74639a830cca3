"""A network that swallows everything: half-open connections, without a FIN or RST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Link, Player
from hil.gateway.faults.ways import Way, ways
from hil.gateway.line import Item, Stage, size_of


@dataclass(frozen=True)
class BlackHole(Fault):
    """Read nothing from the device ('up'), write nothing to it ('down'), or both. An occasion is a connection.

    The device's TCP is left half-open: not even the end of the connection reaches it, when the broker or the gateway
    gives up on it. A new connect is taken by the host's TCP, and then gets no answer. When the fault is cleared the
    network has healed: what was held goes through, in order, and on a connection that is over, its end.
    """

    name: ClassVar[str] = "black-hole"
    joins_open: ClassVar[bool] = True
    direction: Way = "both"

    def __post_init__(self) -> None:
        self.expect_one_of("direction", Way)

    def player(self, link: Link) -> Player:
        return _Swallowing(link, self.direction)


class _Swallowing(Player):
    def __init__(self, link: Link, direction: Way) -> None:
        super().__init__(link)
        self._direction = direction

    def begin(self) -> None:
        if self.link.occasion():
            for direction in ways(self._direction):
                self.link.stage(direction, HoleStage(blocks=direction == "up"))


class HoleStage(Stage):
    """Keeps everything. `blocks`: the device is not even read, so that its TCP window fills as it would."""

    def __init__(self, blocks: bool) -> None:
        super().__init__()
        self.blocks = blocks
        self._kept: list[Item] = []

    def take(self, item: Item) -> None:
        self._kept.append(item)
        self.held += size_of(item)

    def open(self) -> None:
        kept, self._kept, self.held, self.blocks = self._kept, [], 0, False
        for item in kept:
            self.pass_on(item)

    def stop(self) -> None:
        self._kept.clear()
        self.held = 0
