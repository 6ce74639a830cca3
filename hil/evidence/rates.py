"""How probable a failure is, learnt from the thing itself and from others of its kind. Pure arithmetic.

Of something that failed in none of 49 tries, those tries alone say little: is its rate 1 in 50 or 1 in 5,000? Whoever
looks at two hundred such things at once knows more. If nothing has failed in ten thousand tries, one failure is news;
if everything fails now and then, it is none. So the rates of all are taken to be drawn from one distribution, which
their counts show: empirical Bayes (H. Robbins 1956), here with beta distributions (J. G. Skellam, Journal of the Royal
Statistical Society B 10, 1948). How often things fail on the whole, and how different they are, is not set to one
guess: a grid of such distributions is weighed by how well each explains the counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

Counts = tuple[int, int]
"""How many failed, and of how many tries."""

_MEANS: Final = tuple(10 ** (-part / 3) for part in range(1, 16))
"""The means of the grid: from 46 % to 1 in 100,000."""
_TOGETHER: Final = tuple(2.0**power for power in range(-1, 10))
"""How alike the rates are: as if that many tries of each were known beforehand; 1/2: most fail never or always."""


@dataclass(frozen=True)
class Rates:
    """What the counts of many things tell of a further one of them: beta distributions (a, b), each with its weight."""

    mixed: tuple[tuple[float, float, float], ...]

    def again(self, failed: int, tries: int, times: int) -> float:
        """How probable it is that something that failed in so many tries fails in each of the next `times`.

        The chance is exact if its rate is drawn from the same distribution as those of the others.
        """
        most = max(_evidence(a, b, failed, tries) + math.log(weight) for a, b, weight in self.mixed)
        total = hits = 0.0
        for a, b, weight in self.mixed:
            own = weight * math.exp(_evidence(a, b, failed, tries) - most)
            total += own
            hits += own * math.exp(_rising(a + failed, times) - _rising(a + b + tries, times))
        return hits / total


def learnt(counts: Iterable[Counts]) -> Rates:
    """From the counts of many things of a kind; from none at all: any rate may be, low ones rather."""
    told = Counter(counts)
    logs = []
    for mean in _MEANS:
        for together in _TOGETHER:
            a, b = mean * together, (1 - mean) * together
            # Jeffreys' weight of a mean, on a grid whose steps are equal parts.
            evidence = math.log(mean) / 2 + sum(n * _evidence(a, b, *count) for count, n in told.items())
            logs.append((a, b, evidence))
    most = max(log for _, _, log in logs)
    weighed = [(a, b, math.exp(log - most)) for a, b, log in logs if log > most - _NEGLIGIBLE]
    total = math.fsum(weight for _, _, weight in weighed)
    return Rates(tuple((a, b, weight / total) for a, b, weight in weighed))


_NEGLIGIBLE: Final = 14.0
"""What explains the counts a million times worse than the best is left out."""


def _evidence(a: float, b: float, failed: int, tries: int) -> float:
    """The logarithm of the chance of such failures, in one order, of something whose rate is drawn from beta (a, b)."""
    return _rising(a, failed) + _rising(b, tries - failed) - _rising(a + b, tries)


@lru_cache(maxsize=65536)
def _rising(base: float, count: int) -> float:
    """The logarithm of base (base + 1) ... (base + count - 1)."""
    return math.lgamma(base + count) - math.lgamma(base)
