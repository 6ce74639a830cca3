"""Whether a smaller case goes on failing: trials until that is shown, or shown not to be, or there have been enough.

A smaller case will do if it is shown that it fails at least half as often as the whole one; it will not if it is shown
that it does not. Each is looked at after every trial, so that a clear answer takes few of them
(`hil.evidence.sequential`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hil.cases import Case
from hil.evidence import above, below
from hil.reproduce.trial import Outcome, Runner, Trial

_BARREN: Final = 6
"""After so many trials on each board in a row that could not be run, it is given up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`error`: the chance that is put up with that the smaller case fails less than half as often as the whole one.
    `first`: trials of the whole case. `times`: trials of each smaller one, at most. `boards`: how many side by side.
    `within`: whether conditions are made less, too, and not only left out."""

    error: float = 0.05
    first: int = 20
    times: int = 250
    boards: int = 1
    within: bool = True


@dataclass(frozen=True, slots=True)
class Count:
    """Trials of one case: failures as reported, trials in all, and such that could not be run."""

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


class Barren(Exception):
    """The bench fails all the time."""


class Trying:
    """Trials of a case and of smaller ones, `most` of these: what is put up with in errors is shared among them."""

    def __init__(self, plan: Plan, most: int) -> None:
        self.plan = plan
        self.whole = Count()
        self.trials = 0
        self.left = self._most = most
        self._barren = 0

    def measure(self, case: Case, run: Runner) -> None:
        """How often the whole case fails. Raises Barren, and what `run` raises."""
        while self.whole.tries < self.plan.first:
            for trial in self._tried(run, case):
                self.whole = self.whole.plus(trial)

    def test(self, case: Case, run: Runner) -> tuple[bool | None, Count]:
        """Whether this smaller case goes on failing, too: shown, shown not to (False), or in doubt (None).

        Raises Barren, and what `run` raises.
        """
        self.left -= 1
        least = self.whole.failed / self.whole.tries / 2
        count = Count()
        while count.tries < self.plan.times:
            for trial in self._tried(run, case):
                count = count.plus(trial)
            if above(count.failed, count.tries, least) >= self._most / self.plan.error:
                return True, count
            if below(count.failed, count.tries, least) >= 1 / self.plan.error:
                return False, count
        return None, count

    def _tried(self, run: Runner, case: Case) -> Iterator[Trial]:
        for trial in run(case, times=self.plan.boards):
            self.trials += trial.outcome.counts
            self._barren = 0 if trial.outcome.counts else self._barren + 1
            yield trial
        if self._barren >= _BARREN * self.plan.boards:
            raise Barren
