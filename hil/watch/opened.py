"""A bench that is opened here to be watched, and acted on."""

from __future__ import annotations

from hil.attribution import Attribution
from hil.bench import Bench
from hil.timeline import Event
from hil.watch.row import Row
from hil.watch.source import AT_ONCE, LIVE


class OpenedBench:
    """Its timeline as a source of rows."""

    def __init__(self, bench: Bench) -> None:
        self.title = f"{bench.rig.name}, {bench.artifacts.name}"
        self._timeline = bench.timeline
        self._next = 0
        self._attribution = Attribution()
        first = bench.timeline.events(before=1)
        self._began = first[0].monotonic if first else None

    @property
    def began(self) -> float | None:
        """The monotonic time of the first event, in seconds; opening a bench leaves one at the least."""
        return self._began

    def take(self) -> list[Row]:
        """What has come since."""
        events = self._timeline.events(after=self._next, before=self._next + AT_ONCE)
        self._next += len(events)
        return [self._row(event) for event in events]

    def _row(self, event: Event) -> Row:
        self._attribution.take(event)
        return Row(event, board=self._attribution.of(event))

    def state(self) -> str:
        """It is open as long as it is watched."""
        return LIVE

    def note(self) -> None:
        """There is nothing to say that is not on the timeline."""
