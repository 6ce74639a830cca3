"""What a run saw outside of its tests: as the bench opened, between tests, as it closed, and where it was killed.

A test's report shows its board's events from set-up to tear-down, and those of no board. All else is here, a board at a
time; so each event of a run is in one picture at least.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hil.attribution import Attribution
from hil.report.results import Result
from hil.report.runs import Part, Run
from hil.timeline import Event

_LASTING = ("power", "flash", "provision")
_OF_CONNECTIONS = ("accept", "tls", "tls-failed", "connect", "connack", "denied", "close")


@dataclass(frozen=True, slots=True)
class Outside:
    """Of one board of one bench; `board` '' for what no board of it had to do with: where it had none, or where a
    broker that is shared brought messages of others.

    `tests`: those of that board there, in order of their beginning, each with the time at which it ended (monotonic
    seconds); `events`: what was seen outside of them.
    """

    part: Part
    board: str
    tests: list[tuple[Result, float]]
    events: list[Event]

    @property
    def began(self) -> float:
        """Monotonic seconds: the first of the events, or of the tests."""
        return min([self.events[0].monotonic, *(test.began for test, _ in self.tests)])

    @property
    def ended(self) -> float:
        """Monotonic seconds."""
        return max([self.events[-1].monotonic, *(ended for _, ended in self.tests)])

    def lasting(self) -> list[Event]:
        """What says how long things last that begin in a test and end after it, or before one: of the whole run.

        Of connections, those of which something was seen outside of tests.
        """
        seen = {event.get("connection") for event in self.events if event.source == "gateway"}

        def wanted(source: str, kind: str, board: str | None) -> bool:
            lasts = source in _LASTING or kind == "fault" or (source == "gateway" and kind in _OF_CONNECTIONS)
            return board == self.board and lasts

        found = self.part.events.window(0, len(self.part.events), wanted)
        return [e for e in found if e.kind not in _OF_CONNECTIONS or e.get("connection") in seen]


def outside(run: Run) -> Iterator[Outside]:
    """Each board of each bench that was seen outside of a test, in the order of the benches."""
    for part in run.parts:
        here = [(result, run.ended_of(result)) for result in run.results if run.part_of(result) is part]
        seen = {board for _, _, board in part.events.kinds() if board is not None}
        boards = [name for name in run.boards if name in seen] + sorted(seen - set(run.boards))
        for board in boards if boards and len(run.parts) == 1 else [*boards, ""]:
            own = [(result, ended) for result, ended in here if result.board == board]
            whose = _Whose(run.attribution, board, frozenset(boards))
            events = list(_events(part, whose, _merged(own), _merged(here)))
            if events:
                yield Outside(part, board, own, events)


@dataclass(frozen=True, slots=True)
class _Whose:
    """Which events stand where, among the `boards` of a bench. `board`: '' for what has to do with none of them."""

    attribution: Attribution
    board: str
    boards: frozenset[str]

    def own(self, event: Event) -> bool:
        """Whether it is this board's; messages that a shared broker brought from other benches' boards are of ''."""
        whose = self.attribution.of(event)
        return whose is not None and (whose if whose in self.boards else "") == self.board

    def shared(self, event: Event) -> bool:
        """Whether it is of no board, and therefore shown with each, or with '' where there is none."""
        return self.attribution.of(event) is None and bool(self.board or not self.boards)


_Times = list[tuple[float, float]]


def _merged(tests: Iterable[tuple[Result, float]]) -> _Times:
    """When there were tests, in order, none of these times touching the next."""
    found: _Times = []
    for began, ended in sorted((test.began, ended) for test, ended in tests):
        if found and began <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], ended)
        else:
            found.append((began, ended))
    return found


def _events(part: Part, whose: _Whose, own: _Times, anybody: _Times) -> Iterator[Event]:
    """The board's events outside of its own tests, and those of no board outside of all tests."""
    first = 0
    for began, ended in [*own, (float("inf"), float("inf"))]:
        last, after = part.events.span(began, ended)
        for event in part.events.window(first, last, lambda source, kind, board: board in (None, whose.board)):
            if whose.own(event) or (whose.shared(event) and not _in(anybody, event.monotonic)):
                yield event
        first = after


def _in(times: _Times, moment: float) -> bool:
    at = bisect_right(times, (moment, float("inf"))) - 1
    return at >= 0 and moment <= times[at][1]
