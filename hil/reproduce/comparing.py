"""Which of several firmwares fails more often: trials of each in turn, until that is told, and no more.

    comparing = Comparing(["1.4.1", "1.4.2"], Plan(times=50))
    drive(comparing, {"1.4.1": case.with_firmware(old), "1.4.2": case.with_firmware(new)}, run)
    print(comparing.result())

The trials go in rounds: in each, every firmware that is still in question is tried once on each board, in an order that
is drawn anew. On each board the first trial of one firmware makes a pair with the first of the other, and so on: a
board that fails more often than the next, or a bench that is worse at night, cannot be taken for a difference of the
firmwares. `hil.evidence.difference` says what the pairs show, and that one may look after each of them.

With more than two firmwares each is compared with each other. That many things are asked at once is paid for (Holm).
"""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Any, Final

from hil.evidence import Interval, alike, differ, difference, held, lasting
from hil.reproduce.trial import Outcome, Runner, Trial

BARREN: Final = 3
"""After so many rounds in a row in which the bench failed each time, no more are begun."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`error`: the chance of a wrong verdict that is put up with. `least`: a difference of the rates that is no longer
    worth finding. `times`: trials of each firmware, at most. `boards`: how many run side by side. `seed`: of the order
    within the rounds."""

    error: float = 0.05
    least: float = 0.2
    times: int = 50
    boards: int = 1
    seed: int = 0


class Verdict(StrEnum):
    """What is known of two firmwares."""

    DIFFER = "differ"
    ALIKE = "alike"
    """Their rates differ by less than what was worth finding."""
    OPEN = "not told apart"


@dataclass(frozen=True, slots=True)
class Count:
    """What became of the trials of one firmware. `other`: failures that are not the one reported."""

    firmware: str
    reproduced: int
    other: int
    passed: int
    not_run: int
    confidence: float

    @property
    def tries(self) -> int:
        """Trials in which the board was tried."""
        return self.reproduced + self.other + self.passed

    @property
    def rate(self) -> Interval:
        """Between what the rate of the reported failure lies, though one has looked after each trial."""
        return lasting(self.reproduced, self.tries, self.confidence)

    def __str__(self) -> str:
        text = f"fails {self.reproduced} of {self.tries} on {self.firmware} ({self.rate})"
        if self.other:
            text += f", and {self.other} of {self.tries} in another way"
        return text + (f"; {self.not_run} could not be run" if self.not_run else "")

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it."""
        counts = {name: getattr(self, name) for name in ("firmware", "reproduced", "other", "passed", "not_run")}
        return {**counts, "tries": self.tries, "low": self.rate.low, "high": self.rate.high}


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of two firmwares, from `pairs` of trials. `first` and `second`: their failures in those.

    `error`: the chance that the verdict is wrong, at most. `excess`: by how much the second fails more often.
    """

    names: tuple[str, str]
    first: int
    second: int
    pairs: int
    verdict: Verdict
    error: float
    excess: Interval

    def __str__(self) -> str:
        less, more = self.names if self.second >= self.first else self.names[::-1]
        low, high = (self.excess.low, self.excess.high)
        if self.second < self.first:
            low, high = -high, -low
        between = f"the rates differ by {low:+.0%} to {high:+.0%} of all trials"
        match self.verdict:
            case Verdict.DIFFER:
                return f"{more} fails more often than {less}: {between} (chance of error {_chance(self.error)})"
            case Verdict.ALIKE:
                return f"{less} and {more} fail about as often: {between} (chance of error {_chance(self.error)})"
        return f"{less} and {more} are not told apart after {self.pairs} trials of each: {between}"

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it."""
        counts = {"names": list(self.names), "first": self.first, "second": self.second, "pairs": self.pairs}
        excess = {"low": self.excess.low, "high": self.excess.high, "confidence": self.excess.confidence}
        return {**counts, "verdict": str(self.verdict), "error": self.error, "excess": excess}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of all firmwares, in the order in which they were given."""

    counts: tuple[Count, ...]
    told: tuple[Told, ...]

    @property
    def trials(self) -> int:
        """Trials in which a board was tried."""
        return sum(count.tries for count in self.counts)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.counts), *map(str, self.told)])

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"counts": [count.facts() for count in self.counts], "told": [told.facts() for told in self.told]}


@dataclass(slots=True)
class _Question:
    """Two firmwares, by their places. `differ` and `alike`: the least chance of error so far of saying so."""

    places: tuple[int, int]
    differ: float = 1.0
    alike: float = 1.0
    verdict: Verdict = Verdict.OPEN
    error: float = 1.0


@dataclass(slots=True)
class _Side:
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    failed: dict[str, list[bool]] = field(default_factory=dict)
    """By board: whether each trial was the reported failure, in order."""

    @property
    def tries(self) -> int:
        return sum(number for outcome, number in self.counts.items() if outcome.counts)


class Comparing:
    """What is known of firmwares with these names, trial by trial. Raises ValueError for fewer than two, or one name
    twice."""

    def __init__(self, names: Sequence[str], plan: Plan) -> None:
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"found the firmwares {', '.join(names)}, expected two or more of different names")
        self.plan = plan
        self._names = list(names)
        self._sides = [_Side() for _ in names]
        self._questions = [_Question(places) for places in combinations(range(len(names)), 2)]
        self._dice = random.Random(plan.seed)

    def add(self, name: str, trial: Trial) -> None:
        """One more trial of the firmware `name`."""
        side = self._sides[self._names.index(name)]
        side.counts[trial.outcome] += 1
        if trial.outcome.counts:
            side.failed.setdefault(trial.board, []).append(trial.outcome is Outcome.REPRODUCED)

    def next_round(self) -> list[str]:
        """Which firmwares are to be tried now, in this order; none once all is told, or the trials are used up.

        What a round has shown is judged here: a round that is not over yet would tell of its quick trials alone.
        """
        self._judge()
        wanted = {
            place
            for question in self._questions
            if question.verdict is Verdict.OPEN
            and all(self._sides[place].tries < self.plan.times for place in question.places)
            for place in question.places
        }
        order = sorted(wanted)
        self._dice.shuffle(order)
        return [self._names[place] for place in order]

    @property
    def tries(self) -> int:
        """Trials so far in which a board was tried."""
        return sum(side.tries for side in self._sides)

    def verdicts(self) -> list[Verdict]:
        """What is told now of each two firmwares, in the order of `result`, without the numbers."""
        self._judge()
        return [question.verdict for question in self._questions]

    def result(self) -> Comparison:
        """What is known now."""
        self._judge()
        confidence = 1 - self.plan.error
        counts = tuple(_count(name, side, confidence) for name, side in zip(self._names, self._sides, strict=True))
        return Comparison(counts, tuple(map(self._told, self._questions)))

    def _told(self, question: _Question) -> Told:
        first, second, pairs = self._paired(*question.places)
        excess = difference(first, second, pairs, 1 - self.plan.error)
        names = (self._names[question.places[0]], self._names[question.places[1]])
        return Told(names, first, second, pairs, question.verdict, question.error, excess)

    def _paired(self, one: int, other: int) -> tuple[int, int, int]:
        """Failures of both, and pairs."""
        first = second = pairs = 0
        for board, failed in self._sides[one].failed.items():
            beside = self._sides[other].failed.get(board, [])
            size = min(len(failed), len(beside))
            first, second, pairs = first + sum(failed[:size]), second + sum(beside[:size]), pairs + size
        return first, second, pairs

    def _judge(self) -> None:
        """A verdict once given stays: the chance of error holds for all looks together."""
        for question in self._questions:
            counts = self._paired(*question.places)
            question.differ = min(question.differ, 1 / max(1.0, differ(*counts)))
            question.alike = min(question.alike, 1 / max(1.0, alike(*counts, self.plan.least)))
        differs = held([question.differ for question in self._questions])
        alikes = held([question.alike for question in self._questions])
        for question, apart, together in zip(self._questions, differs, alikes, strict=True):
            if question.verdict is not Verdict.OPEN:
                continue
            if apart <= self.plan.error:
                question.verdict, question.error = Verdict.DIFFER, apart
            elif together <= self.plan.error:
                question.verdict, question.error = Verdict.ALIKE, together


def drive(comparing: Comparing, cases: Mapping[str, Any], run: Runner) -> Generator[tuple[str, Trial], None, None]:
    """Run rounds until all is told; yields each trial as it ends, with its firmware's name.

    Ends early where the bench fails all the time; what is known then is in the result as ever. Raises what `run`
    raises.
    """
    barren = 0
    while barren < BARREN and (names := comparing.next_round()):
        before = comparing.tries
        for name in names:
            for trial in run(cases[name], times=comparing.plan.boards):
                comparing.add(name, trial)
                yield name, trial
        barren = 0 if comparing.tries > before else barren + 1


def _count(name: str, side: _Side, confidence: float) -> Count:
    found = side.counts
    failed, other = found[Outcome.REPRODUCED], found[Outcome.OTHER]
    return Count(name, failed, other, found[Outcome.PASSED], found[Outcome.NOT_RUN], confidence)


def _chance(error: float) -> str:
    return "below 1 in a million" if error < 1e-6 else f"{error:.2g}"
