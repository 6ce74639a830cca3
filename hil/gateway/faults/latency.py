"""A slow network: everything arrives, in order, and late."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Link, Player
from hil.gateway.faults.ways import Way, ways
from hil.gateway.line import Item, QueueStage


@dataclass(frozen=True)
class Latency(Fault):
    """Delay all bytes by `seconds`, give or take up to `jitter` seconds, in one direction or both.

    'both' adds twice `seconds` to a round trip. TCP keeps the order, so a byte that is drawn early waits for those
    before it. Jitter is drawn from random.Random(`seed`), anew for each connection. An occasion is a connection.
    """

    name: ClassVar[str] = "latency"
    joins_open: ClassVar[bool] = True
    seconds: float
    jitter: float = 0.0
    direction: Way = "both"
    seed: int = 0

    def __post_init__(self) -> None:
        self.expect_one_of("direction", Way)
        self.expect_at_least("seconds", 0, "s")
        self.expect_at_least("jitter", 0, "s")
        if self.jitter > self.seconds:
            raise ValueError(f"latency: jitter is {self.jitter}, expected at most seconds, which is {self.seconds}")

    def player(self, link: Link) -> Player:
        return _Delaying(link, self)


class _Delaying(Player):
    def __init__(self, link: Link, fault: Latency) -> None:
        super().__init__(link)
        self._fault = fault

    def begin(self) -> None:
        if self.link.occasion():
            for direction in ways(self._fault.direction):
                self.link.stage(direction, LatencyStage(self._fault, direction))


class LatencyStage(QueueStage):
    """One direction of it."""

    def __init__(self, fault: Latency, direction: Literal["up", "down"]) -> None:
        super().__init__()
        self._fault = fault
        self._random = random.Random(f"{fault.seed} {direction}")
        self._last = 0.0

    def pieces(self, item: Item, now: float) -> Iterable[tuple[float, Item]]:
        late = self._fault.seconds + self._random.uniform(-self._fault.jitter, self._fault.jitter)
        self._last = max(self._last, now + late)
        return [(self._last, item)]
