"""A narrow network: so many bytes a second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Link, Player
from hil.gateway.faults.ways import Way, ways
from hil.gateway.line import Item, QueueStage

_STEPS = 50
"""Pieces a second: a byte is at most 20 ms later than on a line that sends it bit by bit."""


@dataclass(frozen=True)
class Bandwidth(Fault):
    """Let `bytes_per_second` through, of the bytes below TLS, in one direction or in each. An occasion is a connection.

    Nothing is lost: a sender that is faster is held up, as TCP does it.
    """

    name: ClassVar[str] = "bandwidth"
    joins_open: ClassVar[bool] = True
    bytes_per_second: int
    direction: Way = "both"

    def __post_init__(self) -> None:
        self.expect_one_of("direction", Way)
        self.expect_at_least("bytes_per_second", 1)

    def player(self, link: Link) -> Player:
        return _Narrowing(link, self)


class _Narrowing(Player):
    def __init__(self, link: Link, fault: Bandwidth) -> None:
        super().__init__(link)
        self._fault = fault

    def begin(self) -> None:
        if self.link.occasion():
            for direction in ways(self._fault.direction):
                self.link.stage(direction, BandwidthStage(self._fault.bytes_per_second))


class BandwidthStage(QueueStage):
    """Each piece goes when its last byte has been sent."""

    def __init__(self, bytes_per_second: int) -> None:
        super().__init__()
        self._rate = bytes_per_second
        self._free_at = 0.0

    def pieces(self, item: Item, now: float) -> Iterable[tuple[float, Item]]:
        self._free_at = max(self._free_at, now)
        if not isinstance(item, bytes):
            yield self._free_at, item
            return
        size = max(1, self._rate // _STEPS)
        for at in range(0, len(item), size):
            piece = item[at : at + size]
            self._free_at += len(piece) / self._rate
            yield self._free_at, piece
