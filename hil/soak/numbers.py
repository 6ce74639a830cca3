"""What the numbers in a board's telemetry tell: messages that were lost or came twice, boots, and the heap.

A firmware counts its messages from 1 at each boot (`telemetry.sequence` of the contract). Boots are told apart by the
count beginning anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hil.evidence.trend import Trend, trend
from hil.timeline import Event

_STARTS = {("power", "on"), ("reset", "hard"), ("reset", "soft"), ("board", "boot")}


@dataclass(slots=True)
class Life:
    """From one boot to the next. `numbers`: as they came. `heap`: (monotonic seconds, connection, free bytes)."""

    numbers: list[int] = field(default_factory=list)
    heap: list[tuple[float, int, float]] = field(default_factory=list)

    @property
    def lost(self) -> list[int]:
        """Numbers between the first and the last that came and that never did. What a power cut took off the end is
        not among them, as nobody can know how much that was."""
        seen = set(self.numbers)
        return [n for n in range(min(seen), max(seen)) if n not in seen] if seen else []

    @property
    def repeated(self) -> int:
        """How many came that had come before."""
        return len(self.numbers) - len(set(self.numbers))

    def heap_by_time(self) -> Trend:
        """Bytes per second, within this life."""
        return trend([(when, free) for when, _, free in self.heap])

    def heap_by_connection(self) -> Trend:
        """Bytes per connection: of each the least that was free, so that what comes and goes does not count."""
        least: dict[int, float] = {}
        for _, connection, free in self.heap:
            least[connection] = min(free, least.get(connection, free))
        return trend([(float(order), least[number]) for order, number in enumerate(sorted(least))])


def delivered(events: Iterable[Event], board: str, topic: str, sequence: str) -> list[Life]:
    """The lives of the board as the broker's other clients see them, by the monitor's messages on `topic`."""
    return _lives(events, board, lambda e: e.source == "monitor" and e.kind == "message", topic, sequence, None)


def sent(events: Iterable[Event], board: str, topic: str, sequence: str | None, heap: str | None) -> list[Life]:
    """The lives of the board by what it sent through the gateway, with its heap."""

    def counts(event: Event) -> bool:
        return (event.source, event.kind, event.board, event.get("direction")) == ("gateway", "publish", board, "up")

    return _lives(events, board, counts, topic, sequence, heap)


def _lives(
    events: Iterable[Event],
    board: str,
    counts: Callable[[Event], bool],
    topic: str,
    sequence: str | None,
    heap: str | None,
) -> list[Life]:
    lives: list[Life] = []
    started = True  # the board may have started anew since the last message
    highest = 0
    for event in events:
        if event.board == board and (event.source, event.kind) in _STARTS:
            started = True
        if event.get("topic") != topic or not counts(event) or event.get("retain") is True:
            continue
        values = _values(event.get("payload"))
        number = values.get(sequence) if sequence is not None else None
        new = isinstance(number, int) and ((started and number <= highest) or number == 1 < highest - 1)
        if not lives or new or (sequence is None and started):
            lives.append(Life())
            highest = 0
        started = started and isinstance(number, int) and number > highest and highest > 0
        if isinstance(number, int):
            highest = max(highest, number)
            lives[-1].numbers.append(number)
        free = values.get(heap) if heap is not None else None
        if isinstance(free, int | float):
            lives[-1].heap.append((event.monotonic, event.get("connection", 0), float(free)))
    return lives


def _values(payload: Any) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def lost(lives: Sequence[Life]) -> int:
    """Messages that never came, over all lives."""
    return sum(len(life.lost) for life in lives)
