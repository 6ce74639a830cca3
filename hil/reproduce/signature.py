"""Whether the events of a trial are the reported failure: a case's signature laid over them, with what shows it.

    found = matching(case.signature, events, "esp32-a", began=t0, until=t1, limit=30)
    found.state is State.SEEN

Pure: the timeline is not touched. A step of the signature may fit several events; all ways to choose them are
followed, so that an early event that fits a step by chance keeps no later one from being the right one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from hil.cases.signature import Never, Seen, Signature
from hil.diagnose import Diagnosis, diagnose
from hil.reproduce.sameness import words
from hil.timeline import Event, Match

CAUSES_ASKED = 2
"""Among so many of the first causes that a diagnosis names, the signature's must be (docs/cases.md)."""


class State(StrEnum):
    """How a signature stands to a trial so far."""

    SEEN = "seen"
    """The failure is there, and nothing can change that."""
    OPEN = "open"
    """It is not there yet; it still can be."""
    CANNOT = "cannot"
    """What has come, or has not come in time, rules it out for this trial."""


@dataclass(frozen=True, slots=True)
class Matching:
    """What a signature finds in a trial.

    `evidence`: the events of each step that was seen, in order. `missing`: in one line what is not there, or what
    speaks against it; empty when all is. `due`: when time alone may decide, in monotonic
    seconds; infinite if it cannot.
    """

    state: State
    evidence: tuple[tuple[Event, ...], ...] = ()
    missing: str = ""
    due: float = math.inf


@dataclass(frozen=True, slots=True)
class _End:
    """One way to have seen the steps so far: `at` and `position` of its last event; `ready`: when no `never` of it can
    be broken any more; `before`: the way up to the step before."""

    at: float
    position: int
    ready: float
    before: _End | None = None


@dataclass(slots=True)
class _Search:
    """The events of one trial, and what of them each pattern fits."""

    events: Sequence[Event]
    board: str
    online: Match | None
    limit_at: float
    fitting: dict[int, list[int]] = field(default_factory=dict)

    def fits(self, pattern: Seen | Never) -> list[int]:
        """The places in `events` that fit."""
        key = id(pattern)
        if key not in self.fitting:
            match = pattern.match(self.board, self.online)
            self.fitting[key] = [number for number, event in enumerate(self.events) if match(event)]
        return self.fitting[key]

    def evidence(self, end: _End, steps: Sequence[Seen]) -> tuple[tuple[Event, ...], ...]:
        """The events of each step on the way to `end`."""
        found: list[tuple[Event, ...]] = []
        at: _End | None = end
        while at is not None and at.before is not None:
            step = steps[self._depth(at) - 1]
            places = [place for place in self.fits(step) if place <= at.position]
            found.append(tuple(self.events[place] for place in places[-step.count :]))
            at = at.before
        return tuple(reversed(found))

    def _depth(self, end: _End) -> int:
        return 0 if end.before is None else 1 + self._depth(end.before)


def matching(
    signature: Signature,
    events: Sequence[Event],
    board: str,
    *,
    began: float,
    until: float,
    limit: float,
    online: Match | None = None,
) -> Matching:
    """How the signature stands to the events of a trial that began at `began` and was watched up to `until`, both
    monotonic seconds, and ends `limit` seconds after its beginning. The cause is not asked; see `cause_of`.

    `events`: those of the trial, oldest first; other boards' may be among them. `online`: what shows that it is online.
    """
    search = _Search(events, board, online, began + limit)
    ends = _kept([_End(began, -1, began)], signature, 0, search)
    if not ends:
        return Matching(State.CANNOT, missing=_broken(signature, 0, search))
    growing = False
    for number, step in enumerate(signature.seen, 1):
        reached = _reached(step, ends, search)
        lasting = [end.at + step.within for end in ends if step.within is not None and end.at + step.within > until]
        growing = growing or step.within is None or bool(lasting)
        found = _kept(reached, signature, number, search)
        if not found:
            missing = _broken(signature, number, search) if reached else _absent(step, number, ends, search)
            state = State.OPEN if growing and until < search.limit_at else State.CANNOT
            best = min(ends, key=lambda end: end.at)
            return Matching(state, search.evidence(best, signature.seen), missing, max(lasting, default=math.inf))
        ends = found
    best = min(ends, key=lambda end: end.ready)
    evidence = search.evidence(best, signature.seen)
    if best.ready <= until:
        return Matching(State.SEEN, evidence)
    return Matching(State.OPEN, evidence, "something may yet come that the failure does not have", best.ready)


def _reached(step: Seen, ends: Sequence[_End], search: _Search) -> list[_End]:
    """All ways to go on by this step: each event that can be its last, behind the end that is ready first."""
    places = search.fits(step)
    found: dict[int, _End] = {}
    for end in ends:
        behind = [place for place in places if place > end.position]
        for number in range(step.count - 1, len(behind)):
            event = search.events[behind[number]]
            if step.within is not None and event.monotonic - end.at > step.within:
                break
            way = _End(event.monotonic, behind[number], max(end.ready, event.monotonic), end)
            known = found.get(behind[number])
            if known is None or way.ready < known.ready:
                found[behind[number]] = way
    return list(found.values())


def _kept(ends: Sequence[_End], signature: Signature, number: int, search: _Search) -> list[_End]:
    """Those ways after which nothing has come that must not; each is ready when nothing of it can come any more."""
    for never in signature.never:
        if never.after != number:
            continue
        places = search.fits(never)
        kept = []
        for end in ends:
            last = search.limit_at if never.seconds is None else end.at + never.seconds
            broken = any(place > end.position and search.events[place].monotonic <= last for place in places)
            if not broken:
                kept.append(replace(end, ready=max(end.ready, last)))
        ends = kept
    return list(ends)


def _broken(signature: Signature, number: int, search: _Search) -> str:
    never = next(n for n in signature.never if n.after == number and search.fits(n))
    behind = f"after step {number}" if number else "in this trial"
    return f"{never.words(search.board)} came {behind}; the reported failure has none"


def _absent(step: Seen, number: int, ends: Sequence[_End], search: _Search) -> str:
    first = min(end.position for end in ends)
    count = sum(place > first for place in search.fits(step))
    times = f"{count} of {step.count} times " if step.count > 1 else "no "
    within = f" within {step.within:g} s" if step.within is not None else ""
    return f"step {number}: {times}{step.words(search.board)}{within}"


def cause_of(signature: Signature, timeline: Sequence[Event], board: str, after: int, until: float) -> str | None:
    """What is missing of the signature's cause in a trial from position `after` of the whole timeline on, in one line;
    None if the diagnosis names it among its first, or the signature asks for none."""
    if signature.cause is None:
        return None
    first = [one.cause for one in diagnosed(timeline, board, after, until)[:CAUSES_ASKED]]
    if signature.cause in first:
        return None
    return f"the diagnosis does not say {signature.cause}, but {', '.join(first) or 'nothing'}"


def diagnosed(timeline: Sequence[Event], board: str, after: int, until: float) -> list[Diagnosis]:
    """What the diagnosis says of a trial; nothing where it stumbles over an event that lacks what it looks for."""
    try:
        return diagnose(timeline, board, after=after, until=until)
    except (KeyError, TypeError):
        return []


def words_of(evidence: Sequence[Sequence[Event]], began: float) -> list[str]:
    """The evidence for people: a line for each step, with the seconds since the trial began."""
    lines = []
    for events in evidence:
        count = f"{len(events)} times, the last at " if len(events) > 1 else ""
        lines.append(f"{count}+{events[-1].monotonic - began:.2f} s  {words(events[-1])}")
    return lines
