"""Which version is tried next, until the first bad one is known. Knows neither images nor boards.

    walk = Walk(in_a_row(8), confidence=0.95)
    while (turn := walk.next_turn()) is not None:
        for trial in run(cases[turn.version], times=turn.times):
            walk.add(turn.version, trial)

Each trial goes to the version that is expected to tell most (`hil.evidence.culprit`): to the first and the last alone
as long as it is not likely that the last fails more often, since what is looked for has to be there. Versions that
cannot be tried are passed over, as in `git bisect`; where they lie around the first bad one, the answer is several
versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from hil.evidence.culprit import Culprit, Group, most_telling
from hil.evidence.exact import fisher_more
from hil.reproduce.comparing import BARREN
from hil.reproduce.trial import Outcome, Trial

_STAYS: Final = 0.7
"""The version that is in the flash already is tried again if a trial of it tells so much of what the best one would:
another firmware has to be written first, and that takes as long as a trial or longer."""
_ODD: Final = 0.01
"""A version whose failures had a smaller chance than this, all versions taken together, fits no first bad one."""
_DOUBTFUL: Final = 0.2
"""As long as there is nothing to find with a greater chance than this, no version between the ends is tried."""
_PART: Final = 0.4
"""An answer may be wrong with so much of the chance that was asked for: probabilities hold for rates on the average,
and some are harder than others. The rest is what these need, as counted on made-up versions (docs/benchmarks.md)."""
_COUNTED: Final = {
    Outcome.REPRODUCED: "reproduced",
    Outcome.OTHER: "other",
    Outcome.PASSED: "passed",
    Outcome.NOT_RUN: "not_run",
}


class Ending(StrEnum):
    """How a walk ended, or that it did not."""

    FOUND = "found"
    NO_DIFFERENCE = "the last version does not fail more often than the first"
    UNFINISHED = "not found yet"


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do next: so many trials of this version."""

    version: int
    times: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one version. `skipped`: why it cannot be tried."""

    reproduced: int = 0
    other: int = 0
    passed: int = 0
    not_run: int = 0
    skipped: str | None = None

    @property
    def tries(self) -> int:
        """Trials in which a board was tried."""
        return self.reproduced + self.other + self.passed


@dataclass(frozen=True, slots=True)
class Result:
    """What is known. `suspects`: the first bad version is one of these, with `probability`; by place, in order.

    `good` and `bad`: the rates at which versions without and with the fault fail, if that is so. `odd`: versions whose
    failures fit neither, so that there may be more than one change. `nothing`: the chance that the last version fails
    no more often than the first.
    """

    ending: Ending
    suspects: tuple[int, ...]
    probability: float
    good: float
    bad: float
    odd: tuple[int, ...]
    tallies: tuple[Tally, ...]
    nothing: float

    @property
    def trials(self) -> int:
        """Trials in which a board was tried."""
        return sum(tally.tries for tally in self.tallies)


class Walk:
    """A walk over versions from the first, which is good, to the last, which is bad.

    `contained`: for each version from the second on, which would be bad if it were the first bad one: bit n for
    version n; see `hil.evidence.culprit.in_a_row`. `confidence`: how sure the answer has to be. `most`: trials in all,
    and of each of the two ends `ends`, after which it is given up. `boards`: how many run side by side.
    """

    def __init__(
        self, contained: Sequence[int], *, confidence: float = 0.95, most: int = 500, ends: int = 100, boards: int = 1
    ) -> None:
        self._culprit = Culprit(contained)
        self._confidence = confidence
        self._most = most
        self._boards = boards
        self._versions = range(len(contained) + 1)
        self._tallies = [Tally() for _ in self._versions]
        self._enough = 1 - _PART * (1 - confidence)
        self._most_of_ends = ends
        self._at: int | None = None
        self._barren = 0

    @property
    def last(self) -> int:
        """The place of the last version."""
        return self._versions[-1]

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What became of each version so far."""
        return tuple(self._tallies)

    def add(self, version: int, trial: Trial) -> None:
        """One more trial of this version."""
        tally = self._tallies[version]
        self._tallies[version] = replace(
            tally, **{_COUNTED[trial.outcome]: getattr(tally, _COUNTED[trial.outcome]) + 1}
        )
        self._barren = 0 if trial.outcome.counts else self._barren + 1

    def skip(self, version: int, why: str) -> None:
        """This version cannot be tried."""
        self._tallies[version] = replace(self._tallies[version], skipped=why)

    def next_turn(self) -> Turn | None:
        """What is to be tried now; None: nothing, see `result`."""
        if self._spent or any(self._tallies[end].skipped for end in (0, self.last)):
            return None
        groups = self._groups()
        if max(group.probability for group in groups) >= self._enough:
            return None
        usable = self._usable(groups[-1].probability)
        if not usable:
            return None
        told = most_telling(groups, usable)
        best = max(told, key=told.__getitem__)
        if self._at is None or told.get(self._at, 0.0) < _STAYS * told[best]:
            self._at = best
        return Turn(self._at, self._boards)

    def result(self) -> Result:
        """What is known now."""
        *groups, nothing = self._groups()
        suspects, probability = _suspects(groups, self._confidence)
        best = max(groups, key=lambda group: group.probability)
        ending = Ending.UNFINISHED
        if best.probability >= self._enough:
            ending = Ending.FOUND
        elif nothing.probability >= self._enough or not self._usable(nothing.probability):
            ending = Ending.NO_DIFFERENCE
        odd = self._odd(best) if ending is Ending.FOUND else ()
        return Result(ending, suspects, probability, best.good, best.bad, odd, self.tallies, nothing.probability)

    @property
    def _spent(self) -> bool:
        barren = self._barren >= 2 * BARREN * self._boards
        return barren or sum(tally.tries for tally in self._tallies) >= self._most

    def _usable(self, nothing: float) -> list[int]:
        """The versions that may be tried now; `nothing`: the chance that there is nothing to find."""
        if nothing > _DOUBTFUL:
            return [end for end in (0, self.last) if self._tallies[end].tries < self._most_of_ends]
        return [version for version in self._versions if not self._tallies[version].skipped]

    def _groups(self) -> list[Group]:
        counts = {version: (tally.reproduced, tally.tries) for version, tally in enumerate(self._tallies)}
        skipped = [version for version, tally in enumerate(self._tallies) if tally.skipped]
        return self._culprit.groups(counts, skipped)

    def _odd(self, best: Group) -> tuple[int, ...]:
        """Versions that fail too often among the good ones, or too rarely among the bad ones."""
        found = list[int]()
        for bad in (False, True):
            side = {v: t for v, t in enumerate(self._tallies) if t.tries and bool(best.contained >> v & 1) is bad}
            whole = sum(tally.tries for tally in side.values())
            striking = {v: tally.tries - tally.reproduced if bad else tally.reproduced for v, tally in side.items()}
            for version, tally in side.items():
                count = striking[version]
                rest = sum(striking.values()) - count
                if fisher_more(count, tally.tries, rest, whole - tally.tries) * len(side) < _ODD:
                    found.append(version)
        return tuple(sorted(found))


def _suspects(groups: Sequence[Group], confidence: float) -> tuple[tuple[int, ...], float]:
    """As few versions as have this probability together. Candidate n is version n + 1."""
    chosen, whole = list[int](), 0.0
    for group in sorted(groups, key=lambda group: group.probability, reverse=True):
        chosen += [candidate + 1 for candidate in group.candidates]
        whole += group.probability
        if whole >= confidence:
            break
    return tuple(sorted(chosen)), min(1.0, whole)
