"""Bytes that arrive in small pieces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Link, Player
from hil.gateway.faults.ways import Way, ways
from hil.gateway.line import Item, QueueStage


@dataclass(frozen=True)
class Slice(Fault):
    """Cut what is sent into TCP segments of at most `size` bytes, `pause` seconds apart. An occasion is a connection.

    A device that takes one read for one TLS record, or for one packet, fails. Without a pause the device's TCP may
    well join the segments again before the firmware reads. Nothing is lost.
    """

    name: ClassVar[str] = "slice"
    joins_open: ClassVar[bool] = True
    size: int = 1
    pause: float = 0.001
    direction: Way = "down"

    def __post_init__(self) -> None:
        self.expect_one_of("direction", Way)
        self.expect_at_least("size", 1, "byte")
        self.expect_at_least("pause", 0, "s")

    def player(self, link: Link) -> Player:
        return _Slicing(link, self)


class _Slicing(Player):
    def __init__(self, link: Link, fault: Slice) -> None:
        super().__init__(link)
        self._fault = fault

    def begin(self) -> None:
        if self.link.occasion():
            for direction in ways(self._fault.direction):
                self.link.stage(direction, SliceStage(self._fault))


class SliceStage(QueueStage):
    """One direction of it."""

    def __init__(self, fault: Slice) -> None:
        super().__init__()
        self._fault = fault
        self._next_at = 0.0

    def pieces(self, item: Item, now: float) -> Iterable[tuple[float, Item]]:
        self._next_at = max(self._next_at, now)
        if not isinstance(item, bytes):
            yield self._next_at, item
            return
        for at in range(0, len(item), self._fault.size):
            yield self._next_at, item[at : at + self._fault.size]
            self._next_at += self._fault.pause
