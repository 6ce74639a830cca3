"""What lasts on one board, folded from the events as they come: power, connections, writing, faults, tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from hil.lanes import BAD, GOOD, ODD, PLAIN
from hil.watch.row import Row

MOST = 5000
"""Stretches that are kept, the newest: far more than a screen can show apart."""

_WRITING = ("flash", "provision")


@dataclass(slots=True)
class Stretch:
    """`began` and `ended` in monotonic seconds; `ended` None: it still lasts. `lane`: a name of hil.lanes.LANES."""

    lane: str
    began: float
    tone: int
    ended: float | None = None


class Lasting:
    """The stretches of one board, the oldest first. Other boards' events do not concern it."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Stretch] = {}
        self._stretches: deque[Stretch] = deque(maxlen=MOST)

    def take(self, row: Row) -> None:
        """Fold one event."""
        event = row.event
        at, source, kind = event.monotonic, event.source, event.kind
        if source == "power" and kind in ("on", "off"):
            self._turn(kind == "on", ("power", ""), "power", at, GOOD)
        elif source == "test" and kind in ("start", "end"):
            self._turn(kind == "start", ("test", ""), "test", at, PLAIN)
        elif source in _WRITING and kind in ("start", "done", "failed"):
            self._turn(kind == "start", (source, ""), "writing", at, BAD if kind == "failed" else ODD)
        elif kind == "fault" and event.get("state") in ("armed", "cleared", "failed"):
            self._turn(event.get("state") == "armed", (source, str(event.get("name"))), "faults", at, ODD)
        elif source == "gateway":
            self._connection(row, (row.worker, str(event.get("connection"))))

    def _connection(self, row: Row, key: tuple[str, str]) -> None:
        kind, at = row.event.kind, row.event.monotonic
        if kind in ("accept", "close"):
            self._turn(kind == "accept", key, "TLS", at, ODD)
        elif key in self._open and kind in ("connack", "tls-failed"):
            self._open[key].tone = row.tone

    def _turn(self, on: bool, key: tuple[str, str], lane: str, at: float, tone: int) -> None:
        """Something begins, or is over; what begins twice went on, and what ends without a beginning is unknown."""
        if on and key not in self._open:
            self._open[key] = stretch = Stretch(lane, at, tone)
            self._stretches.append(stretch)
        elif not on and (found := self._open.pop(key, None)) is not None:
            found.ended = at
            found.tone = max(found.tone, tone) if lane == "writing" else found.tone

    def within(self, begin: float, end: float) -> Iterator[Stretch]:
        """Those that lasted at any moment between two, in monotonic seconds."""
        for stretch in self._stretches:
            if stretch.began <= end and (stretch.ended is None or stretch.ended >= begin):
                yield stretch
