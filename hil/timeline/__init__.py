"""Everything that is seen anywhere on the bench, in order, on one clock.

Consoles, power switches, the gateway, the broker, the monitor and the time server each run in a thread of their
own and meet here, and nowhere else. A test records nothing by hand: it waits for events, or asserts that none came.

    mark = timeline.mark()
    board.power_cycle()
    timeline.wait(where("gateway", "connect", board="esp32-a"), timeout=10, after=mark)

The timeline knows nobody else in this package.
"""

from __future__ import annotations

from hil.timeline.burst import Row
from hil.timeline.event import Event, Predicate
from hil.timeline.jsonl import events_of_line, load, load_by_worker
from hil.timeline.match import Match, where
from hil.timeline.merging import Merged, merge
from hil.timeline.stored import Stored, stored
from hil.timeline.timeline import SHORTEST_SECRET, NoSuchEvent, Timeline, TimelineClosed, UnwantedEvent, render

__all__ = [
    "SHORTEST_SECRET",
    "Event",
    "Match",
    "Merged",
    "NoSuchEvent",
    "Predicate",
    "Row",
    "Stored",
    "Timeline",
    "TimelineClosed",
    "UnwantedEvent",
    "events_of_line",
    "load",
    "load_by_worker",
    "merge",
    "render",
    "stored",
    "where",
]
