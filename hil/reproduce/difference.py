"""Where failing trials leave the way that passing ones go: the first event that differs.

A trial is told apart by lanes (console, TLS, MQTT from the device, broker, ...): within a lane the order of events is
the device's or the broker's own, between lanes it is chance. In each lane a failing trial is laid beside the passing
one that it follows for longest. Where it goes on in another way, or says nothing more although the passing one would
have by then, it has left them. Of the places that many failing trials share, the answer is the one at which most of
them leave first. A lane in which the passing trials differ among themselves tells nothing and is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from hil.lanes import lane
from hil.reproduce.sameness import facts, is_chatter
from hil.timeline import Event
from hil.timeline.event import shown

NOTHING = "nothing more"

_UNSTEADY = 1 / 3
"""A lane in which more than this part of the passing trials goes a way of its own is left out."""
_PATIENCE = 2.0
"""How many times as long as a passing trial takes for its next event a silence must last to count as one."""
_LEAST_SILENCE = 0.2
"""Seconds; a busy host is late by less."""
_WIDTH = 140
"""Characters of an event's words."""
_OFFERS = frozenset({"versions", "ciphers", "groups", "signatures", "alpn", "ticket", "session_id"})
"""What a ClientHello offers: too long to be told, unless it is what differs."""
_OF_THE_BENCH = ("test", "writing", "faults", "other")
"""Lanes that hold what was done to the board, and not what it did."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a lane. `facts`: its data without what changes from run to run; `at`: seconds from the start."""

    about: str
    facts: Mapping[str, str]
    at: float

    def same(self, other: Step) -> bool:
        """Whether it is the same event in another trial."""
        return self.about == other.about and self.facts == other.facts

    def words(self, beside: Step | None = None) -> str:
        """In one short line; beside an event of the same kind only what differs from that one."""
        alike = beside is not None and beside.about == self.about
        known = beside.facts if beside is not None and alike else {}
        told = {k: v for k, v in self.facts.items() if known.get(k) != v and (alike or k not in _OFFERS)} or self.facts
        return shown(" ".join([self.about, *(f"{key}={shown(value, 60)}" for key, value in told.items())]), _WIDTH)


Lane = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """A trial as lanes. `seconds`: for how long it was watched."""

    board: str
    lanes: Mapping[str, Lane]
    seconds: float

    def lane(self, name: str) -> Lane:
        """The events of that lane; none where nothing was seen."""
        return self.lanes.get(name, ())


@dataclass(frozen=True, slots=True)
class Difference:
    """The first differing event. `at`: seconds from the start of the trial, the median of the failing ones.

    `failing` and `passing`: how each goes on, `NOTHING` for silence. `behind`: the last event that both have. `shared`
    of `of` failing trials leave at this place.
    """

    lane: str
    at: float
    behind: str
    failing: str
    passing: str
    shared: int
    of: int

    def lines(self) -> list[str]:
        """For people: where it is, and how each goes on."""
        where = f"at +{self.at:.2f} s in {self.shared} of {self.of} (lane {self.lane})"
        return [
            f"first difference, {where}, after {self.behind}:",
            f"  passing: {self.passing}",
            f"  failing: {self.failing}",
        ]

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "at": round(self.at, 3)}


@dataclass(frozen=True, slots=True)
class _Leaving:
    """Where one trial leaves another in one lane, with `mine` in place of `theirs`.

    `due`: when theirs would have come in this trial, or mine has if that was before. It says what comes first: a
    handshake that fails takes longer than the CONNECT after one that does not.
    """

    lane: str
    at: float
    due: float
    behind: Step | None
    mine: Step | None
    theirs: Step | None

    @property
    def place(self) -> tuple[str, str]:
        """What is equal for two trials that leave in the same way."""
        return self.lane, NOTHING if self.mine is None else self.mine.words(self.theirs)


def course(events: Iterable[Event], board: str, seconds: float = 0.0) -> Course:
    """The events of one trial of `board` as lanes; others' are left out. `seconds`: how long it was watched, at least.

    Equal events that follow each other are one: how often a telemetry message came depends on when one stops.
    """
    window = [event for event in events if event.board == board]
    start = window[0].monotonic if window else 0.0
    lanes: dict[str, list[Step]] = {}
    connected = False
    for event in window:
        name = lane(event)
        connected = connected or event.source == "gateway"
        # What the broker says before is still of the trial before, or of the bench that has put it to rest.
        if name in _OF_THE_BENCH or is_chatter(event) or (name == "broker" and not connected):
            continue
        step = Step(f"{event.source}.{event.kind}", facts(event, board), event.monotonic - start)
        steps = lanes.setdefault(name, [])
        if not steps or not steps[-1].same(step):
            steps.append(step)
    last = window[-1].monotonic - start if window else 0.0
    return Course(board, {name: tuple(steps) for name, steps in lanes.items()}, max(last, seconds))


def difference(
    failing: Sequence[Course], passing: Sequence[Course], *, without: Iterable[str] = ()
) -> Difference | None:
    """Where the failing trials leave the passing ones first; None where they do not, or where there are none of either.

    Trials are held against those of the same board where there are any: another board may be another chip. `without`:
    lanes to leave out, such as the console where the two run different firmwares, which print who they are.
    """
    if not failing or not passing:
        return None
    found: list[list[_Leaving]] = []
    for board in dict.fromkeys(one.board for one in failing):
        ours = [one for one in failing if one.board == board]
        beside = [other for other in passing if other.board == board] or passing
        names = dict.fromkeys(name for each in (*ours, *beside) for name in each.lanes if name not in without)
        steady = [name for name in names if not _unsteady(name, beside)]
        found += [[leaving for name in steady if (leaving := _leaves(name, one, beside))] for one in ours]
    return _first(found, len(failing))


def _first(found: Sequence[Sequence[_Leaving]], of: int) -> Difference | None:
    """The place at which most of the trials leave first, of those places that many share; `found`: of each trial where
    it leaves. Times of different trials are not compared: one may have booted more slowly than the next."""
    groups: dict[tuple[str, str], list[_Leaving]] = {}
    for leaving in (leaving for leavings in found for leaving in leavings):
        groups.setdefault(leaving.place, []).append(leaving)
    most = max((len(group) for group in groups.values()), default=0)
    shared = {place for place, group in groups.items() if len(group) >= most / 2}
    firsts = [
        min(candidates, key=lambda leaving: leaving.due).place
        for leavings in found
        if (candidates := [leaving for leaving in leavings if leaving.place in shared])
    ]
    if not firsts:
        return None
    return _told(groups[Counter(firsts).most_common(1)[0][0]], of)


def _told(group: Sequence[_Leaving], of: int) -> Difference:
    one = group[0]
    mine = NOTHING if one.mine is None else one.mine.words(one.theirs)
    theirs = NOTHING if one.theirs is None else one.theirs.words(one.mine)
    behind = "the start" if one.behind is None else one.behind.words()
    return Difference(one.lane, median(leaving.at for leaving in group), behind, mine, theirs, len(group), of)


def _unsteady(name: str, passing: Sequence[Course]) -> bool:
    """Whether the passing trials differ among themselves in this lane; of one alone nobody can tell."""
    if len(passing) < 2:
        return False
    apart = [one for one in passing if _leaves(name, one, [other for other in passing if other is not one])]
    return len(apart) > _UNSTEADY * len(passing)


def _leaves(name: str, one: Course, others: Sequence[Course]) -> _Leaving | None:
    """Where `one` leaves those of `others` that it follows for longest; None if it goes the way of one of them."""
    mine = one.lane(name)
    common = [_common(mine, other.lane(name)) for other in others]
    steps = max(common)
    nearest = [other for other, count in zip(others, common, strict=True) if count == steps]
    leavings = [_leaves_one(name, one, other, steps) for other in nearest]
    found = [leaving for leaving in leavings if leaving is not None]
    if len(found) < len(leavings):
        return None
    usual = Counter(leaving.theirs.words() if leaving.theirs else NOTHING for leaving in found).most_common(1)[0][0]
    return next(leaving for leaving in found if (leaving.theirs.words() if leaving.theirs else NOTHING) == usual)


def _leaves_one(name: str, one: Course, other: Course, steps: int) -> _Leaving | None:
    """How `one` leaves `other` after so many common events; None if neither was watched for long enough to tell."""
    mine, theirs = one.lane(name), other.lane(name)
    behind = mine[steps - 1] if steps else None
    if len(mine) > steps and len(theirs) > steps:
        due = min(mine[steps].at, sum(_due(theirs[steps], other, one)))
        return _Leaving(name, mine[steps].at, due, behind, mine[steps], theirs[steps])
    if len(mine) > steps:
        late, at = _late(_due(mine[steps], one, other)), mine[steps].at
        return _Leaving(name, at, at, behind, mine[steps], None) if other.seconds > late else None
    if len(theirs) > steps:
        when = _due(theirs[steps], other, one)
        due = sum(when)
        return _Leaving(name, due, due, behind, None, theirs[steps]) if one.seconds > _late(when) else None
    return None


def _due(step: Step, here: Course, there: Course) -> tuple[float, float]:
    """When `step` of the one trial would have come in the other: the time of the last event before it that both have,
    of whatever lane, and the seconds from there on."""
    since, passed = 0.0, step.at
    for name, steps in here.lanes.items():
        known = _common(steps, there.lane(name))
        before = [number for number in range(known) if steps[number].at < step.at]
        if before and step.at - steps[before[-1]].at < passed:
            since, passed = there.lane(name)[before[-1]].at, step.at - steps[before[-1]].at
    return since, passed


def _late(due: tuple[float, float]) -> float:
    since, passed = due
    return since + max(_PATIENCE * passed, _LEAST_SILENCE)


def _common(mine: Sequence[Step], theirs: Sequence[Step]) -> int:
    """How many events both begin with."""
    for number, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        if not one.same(other):
            return number
    return min(len(mine), len(theirs))
