"""Which of many versions was the first bad one, where a bad one fails now and then only. Pure arithmetic.

Each version that could be the first bad one is a candidate, and says which versions would be bad then: itself and all
that contain it. A bad version fails at one rate, a good one at a lower one (which need not be 0); neither is known.
That there is nothing to find, and all fail at one rate, is one candidate more. After any number of trials each has a
probability, by Bayes' rule, with the rates averaged out; that good versions never fail, and bad ones always, is held
for likely before the first trial, and for no more than that. The next
trial goes to the version whose outcome is expected to tell most (D. V. Lindley, Annals of Mathematical Statistics 27,
1956); with failures that always come that is halving, as in `git bisect`. Bisection with answers that may be wrong was
first treated so by M. Horstein (IEEE Transactions on Information Theory 9, 1963).

Versions that cannot be tried tell nothing: candidates that no version which can be tried tells apart are one group.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

#: Failures and trials.
Count = tuple[int, int]

_NOTHING: Final = 0.5
"""The chance that there is nothing to find, before anything was tried."""
_PARTS: Final = 16
_RATES: Final = tuple(math.sin(math.pi * (part + 0.5) / (2 * _PARTS)) ** 2 for part in range(_PARTS))
_SELDOM: Final = 1e-3
"""The rate of what never fails: once in a thousand trials the bench is to blame."""
_NEVER, _ALWAYS = 0.5, 0.25
"""What is believed before any trial: that good versions never fail, and that bad ones always do."""


def _belief(extreme: float, weight: float) -> list[tuple[float, float]]:
    """Rates with their weights: one of its own, and Jeffreys' prior, cut into equal parts."""
    return [(extreme, weight), *((rate, (1 - weight) / _PARTS) for rate in _RATES)]


class _Rates:
    """Pairs of rates, of good and of bad versions, each with its weight; their logarithms, to have them at hand."""

    def __init__(self, pairs: Iterable[tuple[float, float, float]]) -> None:
        found = list(pairs)
        whole = math.fsum(weight for *_, weight in found)
        self.pairs = [(low, high) for low, high, _ in found]
        self.logs = [
            (math.log(weight / whole), math.log(low), math.log1p(-low), math.log(high), math.log1p(-high))
            for low, high, weight in found
        ]


#: All in which bad ones fail more often.
_DIFFER: Final = _Rates(
    (low, high, one * other)
    for low, one in _belief(_SELDOM, _NEVER)
    for high, other in _belief(1 - _SELDOM, _ALWAYS)
    if low < high
)
#: All fail at one rate.
_ALIKE: Final = _Rates(
    [
        (_SELDOM, _SELDOM, _NEVER),
        (1 - _SELDOM, 1 - _SELDOM, _ALWAYS),
        *((rate, rate, (1 - _NEVER - _ALWAYS) / _PARTS) for rate in _RATES),
    ]
)
_LEAST: Final = 1e-6
"""Groups less probable than this are left out when the next version is chosen, and in nothing else."""
_MOST: Final = 64
"""So many versions, evenly spread, are weighed against each other when the next one is chosen."""


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates that cannot be told apart, and how probable it is that the first bad version is one of them.

    `bad` and `good`: the rate at which versions fail, and fail without it, if that is so. The group without candidates
    stands for nothing to find.
    """

    candidates: tuple[int, ...]
    probability: float
    bad: float
    good: float
    contained: int


def in_a_row(count: int) -> list[int]:
    """For versions one after another, of which the first is good: what would be bad if each of the others was first."""
    everything = (1 << count) - 1
    return [everything & ~((1 << first) - 1) for first in range(1, count)]


class Culprit:
    """`contained`: for each candidate, by its place, the versions that would be bad: bit n for version n."""

    def __init__(self, contained: Sequence[int]) -> None:
        """Raises ValueError where there is no candidate."""
        if not contained:
            raise ValueError("found no candidate, expected at least one version that could be the first bad one")
        self._contained = list(contained)

    def groups(self, counts: Mapping[int, Count], unusable: Iterable[int] = ()) -> list[Group]:
        """All groups, in the order of their first candidates, and last that of none: there is nothing to find.

        `counts`: by version, what was tried of it.
        """
        usable = ~sum(1 << version for version in set(unusable))
        together: dict[int, list[int]] = {}
        for candidate, contained in enumerate(self._contained):
            together.setdefault(contained & usable, []).append(candidate)
        tried = [(version, count) for version, count in counts.items() if count[1]]
        failed, tries = sum(count[0] for _, count in tried), sum(count[1] for _, count in tried)
        found = [(0, list[int](), _NOTHING, _alike((failed, tries)))]
        for contained, candidates in together.items():
            inside = [count for version, count in tried if contained >> version & 1]
            bad_failed, bad_tries = sum(count[0] for count in inside), sum(count[1] for count in inside)
            evidence = _evidence((bad_failed, bad_tries), (failed - bad_failed, tries - bad_tries))
            found.append((contained, candidates, (1 - _NOTHING) * len(candidates) / len(self._contained), evidence))
        most = max(evidence.log for *_, evidence in found)
        weights = [before * math.exp(evidence.log - most) for _, _, before, evidence in found]
        whole = math.fsum(weights)
        nothing, *groups = [
            Group(tuple(candidates), weight / whole, evidence.bad, evidence.good, contained)
            for (contained, candidates, _, evidence), weight in zip(found, weights, strict=True)
        ]
        return [*groups, nothing]


def most_telling(groups: Sequence[Group], usable: Sequence[int]) -> dict[int, float]:
    """For versions that can be tried: how much one trial is expected to tell, in bits."""
    likely = [group for group in groups if group.probability > _LEAST]
    some = usable
    if len(usable) > _MOST:
        first_bad = [group for group in likely if group.candidates] or likely
        some = [v for v in usable if 0 < sum(group.contained >> v & 1 for group in first_bad) < len(first_bad)]
        some = some[:: max(1, len(some) // _MOST)] or usable[:1]
    surprise = {rate: _entropy(rate) for group in likely for rate in (group.bad, group.good)}
    return {version: _told(likely, version, surprise) for version in some}


def _told(groups: Sequence[Group], version: int, surprise: Mapping[float, float]) -> float:
    """What outcome and first bad version have in common: the entropy of the outcome less what is left of it."""
    fails = left = 0.0
    for group in groups:
        rate = group.bad if group.contained >> version & 1 else group.good
        fails += group.probability * rate
        left += group.probability * surprise[rate]
    return max(0.0, _entropy(fails) - left)


def _entropy(chance: float) -> float:
    if not 0 < chance < 1:
        return 0.0
    return -chance * math.log2(chance) - (1 - chance) * math.log2(1 - chance)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """`log`: the logarithm of the chance of what was seen. `bad`, `good`: the mean rates, given what was seen."""

    log: float
    bad: float
    good: float


@lru_cache(maxsize=20_000)
def _evidence(bad: Count, good: Count) -> _Evidence:
    """What these counts say where they are of bad and of good versions: failures and trials."""
    return _averaged(bad, good, _DIFFER)


@lru_cache(maxsize=20_000)
def _alike(count: Count) -> _Evidence:
    """What this count says where all versions fail at one rate."""
    return _averaged((0, 0), count, _ALIKE)


def _averaged(bad: Count, good: Count, rates: _Rates) -> _Evidence:
    fails, passes, failed, passed = good[0], good[1] - good[0], bad[0], bad[1] - bad[0]
    logs = [w + fails * a + passes * b + failed * c + passed * d for w, a, b, c, d in rates.logs]
    most = max(logs)
    weights = [math.exp(log - most) for log in logs]
    whole = math.fsum(weights)
    rate_good = sum(weight * low for weight, (low, _) in zip(weights, rates.pairs, strict=True)) / whole
    rate_bad = sum(weight * high for weight, (_, high) in zip(weights, rates.pairs, strict=True)) / whole
    return _Evidence(most + math.log(whole), rate_bad, rate_good)
