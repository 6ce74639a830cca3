"""Removes conditions from a case as long as it goes on failing, and keeps each of which that is not shown.

    shrinking = Shrinking(case, Plan())
    for line in shrinking.go(run):
        print(line)
    print(shrinking.result().case)

First it is counted how often the whole case fails. A smaller one will do if it is shown that it fails at least half as
often; it will not if it is shown that it does not. Each is looked at after every trial, so that a clear answer takes
few of them (`hil.evidence.sequential`). Where a limited number of trials shows neither, the conditions stay.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hil.cases import Case
from hil.evidence import above, below
from hil.reproduce.trial import Outcome, Runner, Trial
from hil.shrink.guessing import Guess

_TESTS: Final = 3
"""So many smaller cases are tried for each condition, at most: what is put up with in errors is shared among them."""
_BARREN: Final = 6
"""After so many trials on each board in a row that could not be run, it is given up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`error`: the chance that is put up with that the smaller case fails less than half as often as the whole one.
    `first`: trials of the whole case. `times`: trials of each smaller one, at most. `boards`: how many side by side."""

    error: float = 0.05
    first: int = 20
    times: int = 100
    boards: int = 1


class Ending(StrEnum):
    """How it ended, or that it did not."""

    SMALLEST = "the failure needs each condition that is left, or it is in doubt"
    NEVER_FAILED = "the whole case did not fail as reported"
    UNFINISHED = "not finished"


@dataclass(frozen=True, slots=True)
class Count:
    """Trials of a case without some conditions: failures as reported, trials in all, and such that could not be run."""

    failed: int = 0
    tries: int = 0
    not_run: int = 0

    def plus(self, trial: Trial) -> Count:
        """With one more."""
        return Count(
            self.failed + (trial.outcome is Outcome.REPRODUCED),
            self.tries + trial.outcome.counts,
            self.not_run + (not trial.outcome.counts),
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A condition that is left. `without`: what became of the case without it. `needed`: whether that shows it."""

    name: str
    without: Count
    needed: bool


@dataclass(frozen=True, slots=True)
class Result:
    """`case`: the smallest so far. `whole` and `last`: counts of the case as it was, and of the smallest."""

    ending: Ending
    case: Case
    removed: tuple[str, ...]
    kept: tuple[Kept, ...]
    whole: Count
    last: Count
    trials: int


class _Barren(Exception):
    """The bench fails all the time."""


class Shrinking:
    """One shrinking of a case. `go` does it; `result` may be asked at any time."""

    def __init__(self, case: Case, plan: Plan) -> None:
        self.plan = plan
        self._case = case
        self._names = [condition.name for condition in case.conditions]
        self._removed: set[str] = set()
        self._whole = self._last = Count()
        self._refusals: dict[str, tuple[frozenset[str], Count, bool]] = {}
        self._tests_left = _TESTS * len(self._names)
        self._ending = Ending.UNFINISHED
        self._trials = 0
        self._barren = 0

    def result(self) -> Result:
        """What is known now."""
        left = [name for name in self._names if name not in self._removed]
        kept = tuple(Kept(name, *self._refusals.get(name, (frozenset(), Count(), False))[1:]) for name in left)
        removed = tuple(name for name in self._names if name in self._removed)
        case = self._case.without(self._removed)
        return Result(self._ending, case, removed, kept, self._whole, self._last, self._trials)

    def go(self, run: Runner) -> Iterator[str]:
        """Do it; yields a line for each thing that happens. Raises what `run` raises."""
        try:
            yield from self._measure(run)
            if not self._whole.failed:
                self._ending = Ending.NEVER_FAILED if self._whole.tries else Ending.UNFINISHED
                return
            yield from self._remove(run)
        except _Barren:
            yield "given up: the bench fails all the time"

    def _measure(self, run: Runner) -> Iterator[str]:
        while self._whole.tries < self.plan.first:
            for trial in self._tried(run, self._case):
                self._whole = self._last = self._whole.plus(trial)
                yield _line(trial)
        yield f"the whole case fails {self._whole.failed} of {self._whole.tries} times"

    def _remove(self, run: Runner) -> Iterator[str]:
        guess = Guess(self._names)
        while True:
            if not (out := guess.next()):
                # One that was needed beside conditions that are gone by now may be needed no more.
                if not (doubtful := self._judged_in_other_company()):
                    self._ending = Ending.SMALLEST
                    return
                for name in doubtful:
                    guess.again(name)
                continue
            if not self._tests_left:
                yield "given up: no more smaller cases are tried; what is left stays"
                return
            yield f"without {_listed(out)}:"
            verdict, count = yield from self._test(run, out)
            if verdict:
                guess.gone(out)
                self._removed |= set(out)
                self._last = count
                yield f"  fails {count.failed} of {count.tries} times: not needed"
                continue
            guess.refused(out)
            words = "in doubt" if verdict is None else "needed"
            yield f"  fails {count.failed} of {count.tries} times: {words if len(out) == 1 else f'one of them {words}'}"
            if len(out) == 1:
                self._refusals[out[0]] = (frozenset(self._removed), count, verdict is False)

    def _judged_in_other_company(self) -> list[str]:
        return [name for name, (gone, _, _) in self._refusals.items() if gone != self._removed]

    def _test(self, run: Runner, out: Sequence[str]) -> Generator[str, None, tuple[bool | None, Count]]:
        """Whether the case goes on failing without these, too: shown, shown not to (False), or in doubt (None)."""
        self._tests_left -= 1
        smaller = self._case.without(self._removed | set(out))
        least = self._whole.failed / self._whole.tries / 2
        count = Count()
        while count.tries < self.plan.times:
            for trial in self._tried(run, smaller):
                count = count.plus(trial)
                yield _line(trial)
            if above(count.failed, count.tries, least) >= _TESTS * len(self._names) / self.plan.error:
                return True, count
            if below(count.failed, count.tries, least) >= 1 / self.plan.error:
                return False, count
        return None, count

    def _tried(self, run: Runner, case: Case) -> Iterator[Trial]:
        for trial in run(case, times=self.plan.boards):
            self._trials += trial.outcome.counts
            self._barren = 0 if trial.outcome.counts else self._barren + 1
            yield trial
        if self._barren >= _BARREN * self.plan.boards:
            raise _Barren


def _line(trial: Trial) -> str:
    return f"  {trial.board}  {trial.outcome:<10}  {trial.seconds:6.2f} s  {trial.why}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
