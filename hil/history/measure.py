"""What is measured of a board in one test, from its events alone. Pure.

What is followed over months must mean the same each time. So a start counts only while nothing was done to the board
that could delay it: a fault, a lie of the time server, other credentials.

| name | unit | is |
|---|---|---|
| `time_to_online` | s | from power-on or reset to the accepted connection: the median of undisturbed starts |
| `retry_gap`, `retry_gap_longest` | s | from the end of a connection to the begin of the next: median and longest |
| `reconnects` | | accepted connections after the first |
| `heap_least` | B | the least free heap that its telemetry told |
| `flash_time`, `flash_rate` | s, B/s | of the last flashing that wrote something |
| `provision_time` | s | of the last provisioning that wrote something |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final

from hil.attempts import attempts
from hil.soak.numbers import sent
from hil.timeline import Event

Measured = dict[str, tuple[float, str]]

_STARTS: Final = {("power", "on"), ("reset", "hard"), ("reset", "soft")}
_DISTURBING: Final = {
    ("gateway", "fault"),
    ("gateway", "denied"),
    ("time", "fault"),
    ("power", "fault"),
    ("provision", "start"),
    ("flash", "start"),
    ("soak", "disturbance"),
}


def measure(events: Sequence[Event], board: str, contract: Mapping[str, Any], *, begin: int) -> Measured:
    """The measurements of the test that began at position `begin` of the timeline; those that there were.

    `events`: from where the board's test before was measured, so that flashing, which is done before a test begins, is
    there. `contract`: what the board promises, as its event `board` `contract` says it.
    """
    own = [event for event in events if event.board == board]
    tested = [event for event in own if event.sequence >= begin]
    found: Measured = {}
    if starts := list(_undisturbed(tested)):
        found["time_to_online"] = (median(starts), "s")
    if gaps := list(_gaps(tested)):
        found["retry_gap"], found["retry_gap_longest"] = (median(gaps), "s"), (max(gaps), "s")
    accepted = sum(_is_online(event) for event in tested)
    if accepted:
        found["reconnects"] = (float(accepted - 1), "")
    if heap := list(_heap(tested, board, contract)):
        found["heap_least"] = (min(heap), "B")
    return found | _written(own)


def _is_online(event: Event) -> bool:
    return (event.source, event.kind) == ("gateway", "connack") and event.get("code") == 0


def _undisturbed(events: Iterable[Event]) -> Iterator[float]:
    since: float | None = None
    for event in events:
        about = (event.source, event.kind)
        if about in _DISTURBING or (about == ("time", "request") and event.get("mode") != "true"):
            return
        if about in _STARTS:
            since = event.monotonic
        elif since is not None and _is_online(event):
            yield event.monotonic - since
            since = None


def _gaps(events: Iterable[Event]) -> Iterator[float]:
    """A connection that the network swallowed may end, for the gateway, when the next is there: that is no pause.

    Nor is one during which the board was switched off or started anew.
    """
    seen = list(events)
    starts = [event.monotonic for event in seen if event.source in ("power", "reset")]
    for early, late in pairwise(attempts(seen)):
        if early.ended is not None and early.ended < late.began:
            ended, began = early.ended, late.began
            if not any(ended <= start <= began for start in starts):
                yield began - ended


def _heap(events: Sequence[Event], board: str, contract: Mapping[str, Any]) -> Iterator[float]:
    telemetry = contract.get("telemetry") or {}
    topic, heap = telemetry.get("topic"), telemetry.get("heap")
    if topic and heap:
        for life in sent(events, board, topic, telemetry.get("sequence"), heap):
            yield from (free for _, _, free in life.heap)


def _written(events: Iterable[Event]) -> Measured:
    found: Measured = {}
    for event in events:
        seconds = event.get("seconds")
        if not isinstance(seconds, int | float) or event.kind != "done" or seconds <= 0:
            continue
        if event.source == "flash" and event.get("written"):
            found["flash_time"] = (float(seconds), "s")
            found["flash_rate"] = (event["written"] / seconds, "B/s")
        elif event.source == "provision" and event.get("bytes"):
            found["provision_time"] = (float(seconds), "s")
    return found
