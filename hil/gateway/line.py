"""The bytes of one connection below TLS, as a network may treat them: late, slowly, in small pieces, or not at all.

A line has a chain of stages each way. What goes through is bytes and, last, how the sender ended; nothing is lost and
nothing overtakes. What a stage holds back for long holds up its sender, so that no more is kept than HIGH.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Literal

End = Literal["fin", "reset", "keep-alive"]
"""How a side ended its TCP connection; 'keep-alive': the host's TCP got no more answers."""
Item = bytes | End

HIGH: Final = 256 * 1024
"""Bytes held back in one direction at which its sender is held up."""
LOW: Final = 64 * 1024
"""Bytes at which it goes on."""


def size_of(item: Item) -> int:
    """Bytes; an end has none."""
    return len(item) if isinstance(item, bytes) else 0


class Stage:
    """Something that bytes go through, in one direction. This one lets all pass; override `take`.

    `pass_on` hands an item to the next stage. `held` is how many bytes lie here. A stage that needs the sender to stop
    at once, however little has come, sets `blocks`.
    """

    blocks = False

    def __init__(self) -> None:
        self.pass_on: Callable[[Item], None] = lambda item: None
        self.held = 0

    def take(self, item: Item) -> None:
        self.pass_on(item)

    def open(self) -> None:
        """Pass on all that is held, in order: the stage is taken out."""

    def stop(self) -> None:
        """Forget all: the connection is gone."""


class QueueStage(Stage):
    """A stage that keeps items in a queue until their time has come. Override `pieces`."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[tuple[float, Item]] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def pieces(self, item: Item, now: float) -> Iterable[tuple[float, Item]]:
        """The pieces in which an item goes on, and the loop's time at which each may: none before an earlier one."""
        return [(now, item)]

    def take(self, item: Item) -> None:
        for when, piece in self.pieces(item, self._loop.time()):
            self._queue.append((when, piece))
            self.held += size_of(piece)
        if self._timer is None:
            self._go()

    def open(self) -> None:
        self._cancel()
        while self._queue:
            self._pass_first()

    def stop(self) -> None:
        self._cancel()
        self._queue.clear()
        self.held = 0

    def _go(self) -> None:
        """Pass on what may go, and wait for the rest."""
        self._timer = None
        while self._queue and self._queue[0][0] <= self._loop.time():
            self._pass_first()
        if self._queue:
            self._timer = self._loop.call_at(self._queue[0][0], self._go)

    def _pass_first(self) -> None:
        _, item = self._queue.popleft()
        self.held -= size_of(item)
        self.pass_on(item)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Direction:
    """One way of a line: stages in a row, and the sink behind them. `hold_up` is told to stop and start the sender."""

    def __init__(self, sink: Callable[[Item], None], hold_up: Callable[[bool], None]) -> None:
        self._sink = sink
        self._hold_up = hold_up
        self._stages: list[Stage] = []
        self._stopped = False

    def put(self, item: Item) -> None:
        """What the sender sends."""
        (self._stages[0].take if self._stages else self._sink)(item)
        self._weigh()

    def add(self, stage: Stage) -> None:
        """Behind the stages that are there already."""
        self._stages.append(stage)
        self._chain()
        self._weigh()

    def remove(self, stage: Stage) -> None:
        if stage in self._stages:
            stage.open()
            self._stages.remove(stage)
            self._chain()
            self._weigh()

    def stop(self) -> None:
        for stage in self._stages:
            stage.stop()

    def _chain(self) -> None:
        following: Stage | None = None
        for stage in reversed(self._stages):
            stage.pass_on = self._into(following)
            following = stage

    def _into(self, following: Stage | None) -> Callable[[Item], None]:
        target = self._sink if following is None else following.take

        def passing(item: Item) -> None:
            target(item)
            self._weigh()

        return passing

    def _weigh(self) -> None:
        held = sum(stage.held for stage in self._stages)
        stop = any(stage.blocks for stage in self._stages) or held > (LOW if self._stopped else HIGH)
        if stop is not self._stopped:
            self._stopped = stop
            self._hold_up(stop)


class Line:
    """Both ways: 'up' from the device, 'down' to it."""

    def __init__(self, up: Direction, down: Direction) -> None:
        self.up = up
        self.down = down

    def add(self, direction: Literal["up", "down"], stage: Stage) -> None:
        (self.up if direction == "up" else self.down).add(stage)

    def remove(self, stage: Stage) -> None:
        self.up.remove(stage)
        self.down.remove(stage)

    def stop(self) -> None:
        self.up.stop()
        self.down.stop()
