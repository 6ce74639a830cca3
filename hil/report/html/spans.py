"""What lasts: power, connections, writing, faults, the phases of a test, each from one event to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hil.attempts import End, attempts
from hil.lanes import BAD, GOOD, ODD, PLAIN
from hil.report.outside import Outside
from hil.report.results import Result
from hil.timeline import Event


@dataclass(frozen=True, slots=True)
class Span:
    """`began` and `ended` in monotonic seconds; `ended` None: it still lasted at the end. `part`: within another."""

    lane: str
    began: float
    ended: float | None
    tone: int
    label: str
    part: bool = False


_UNHARMED = (End.ALIVE, End.DISCONNECTED)


def spans(events: Sequence[Event], result: Result) -> list[Span]:
    """All spans among the events of a test, those that hold others first."""
    return [*_phases(result), *_power(events), *_connections(events), *_writing(events), *_faults(events)]


def spans_outside(found: Outside) -> list[Span]:
    """What lasted outside of tests, and the tests themselves: for they are what the rest lies between."""
    tones = {"FAIL": BAD, "ERROR": BAD, "pass": GOOD, "n/a": PLAIN}
    tests = [Span("test", t.began, ended, tones.get(t.verdict, ODD), t.name) for t, ended in found.tests]
    lasting = found.lasting()
    return [*tests, *_power(lasting), *_connections(lasting), *_writing(lasting), *_faults(lasting)]


def _phases(result: Result) -> Iterator[Span]:
    tones = {"failed": BAD, "passed": PLAIN, "skipped": PLAIN}
    for phase in result.phases:
        yield Span("test", phase.began, phase.ended, tones.get(phase.outcome, ODD), phase.when)


def _power(events: Sequence[Event]) -> Iterator[Span]:
    began: float | None = None
    for event in events:
        if event.source != "power" or event.kind not in ("on", "off"):
            continue
        if event.kind == "on" and began is None:
            began = event.monotonic
        elif event.kind == "off" and began is not None:
            yield Span("power", began, event.monotonic, GOOD, "on")
            began = None
    if began is not None:
        yield Span("power", began, None, GOOD, "on")


def _connections(events: Sequence[Event]) -> Iterator[Span]:
    for attempt in attempts(events):
        tone = GOOD if attempt.end in _UNHARMED else ODD if attempt.accepted_by_broker else BAD
        yield Span("TLS", attempt.began, attempt.ended, tone, str(attempt))
        shaken = next((e.monotonic for e in attempt.events if e.kind in ("tls", "tls-failed")), attempt.ended)
        yield Span("TLS", attempt.began, shaken, tone, "handshake", part=True)


def _writing(events: Sequence[Event]) -> Iterator[Span]:
    for source, label in (("flash", "flashing"), ("provision", "provisioning")):
        seen = [e for e in events if e.source == source]
        yield from _pairs(seen, lambda e: e.kind == "start", lambda e: e.kind in ("done", "failed"), "writing", label)


def _faults(events: Sequence[Event]) -> Iterator[Span]:
    by_name: dict[str, list[Event]] = {}
    for event in events:
        if event.kind == "fault":
            by_name.setdefault(str(event.get("name")), []).append(event)
    for name, seen in by_name.items():
        yield from _pairs(seen, _is("armed"), _is("cleared"), "faults", name)


def _is(state: str) -> Callable[[Event], bool]:
    return lambda event: bool(event.get("state") == state)


def _pairs(events: Sequence[Event], begins: Any, ends: Any, lane: str, label: str) -> Iterator[Span]:
    first: Event | None = None
    for event in events:
        if begins(event) and first is None:
            first = event
        elif ends(event) and first is not None:
            yield Span(lane, first.monotonic, event.monotonic, BAD if event.kind == "failed" else ODD, label)
            first = None
    if first is not None:
        yield Span(lane, first.monotonic, None, ODD, label)
