"""Whether a noisy series rises or falls, and how fast. Pure arithmetic.

The slope is Theil and Sen's: the median of the slopes between all pairs of points, which a few wild points do not
move. Whether there is a trend at all is asked of Mann and Kendall's test, which looks at the order of the values alone
and so needs no idea of their distribution. (H. Theil 1950; P. K. Sen, Journal of the American Statistical Association
63, 1968; M. G. Kendall, Rank Correlation Methods, with his correction for ties.)
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, median
from typing import Final

Point = tuple[float, float]

LEAST: Final = 8
"""Points below which no trend is claimed: the test's normal approximation is too rough there."""
MOST: Final = 200
"""Points that are compared pair by pair. More are joined to medians of neighbours first, which also takes away most of
what neighbours have in common: the test supposes that they have nothing."""


@dataclass(frozen=True, slots=True)
class Trend:
    """`slope`: y per unit of x, between `low` and `high` with 95 % confidence. `p`: how probable an order at least as
    clear as this one is where there is no trend at all. `count`: points that came in."""

    slope: float
    low: float
    high: float
    p: float
    count: int

    def falls(self, p: float = 0.01) -> bool:
        """Whether it falls beyond doubt: by the test, and by the whole range of the slope."""
        return self.p < p and self.high < 0

    def rises(self, p: float = 0.01) -> bool:
        """Whether it rises beyond doubt, in the same way."""
        return self.p < p and self.low > 0


def trend(points: Sequence[Point]) -> Trend:
    """The trend of (x, y) points in any order. Too few points, or a single x, have none: slope 0, p 1."""
    few = thinned(sorted(points), MOST)
    slopes = sorted([(late - y) / (end - x) for n, (x, y) in enumerate(few) for end, late in few[n + 1 :] if end != x])
    if len(few) < LEAST or not slopes:
        return Trend(0.0, -math.inf, math.inf, 1.0, len(points))
    score = len(slopes) - bisect_right(slopes, 0.0) - bisect_left(slopes, 0.0)  # rising pairs less falling ones
    deviation = math.sqrt(variance([y for _, y in few]))
    if deviation == 0.0:  # all values are the same
        return Trend(0.0, 0.0, 0.0, 1.0, len(points))
    z = (score - _sign(score)) / deviation
    normal = NormalDist()
    reach = normal.inv_cdf(0.975) * deviation
    low = slopes[max(0, math.floor((len(slopes) - reach) / 2))]
    high = slopes[min(len(slopes) - 1, math.ceil((len(slopes) + reach) / 2))]
    return Trend(median(slopes), low, high, 2 * (1 - normal.cdf(abs(z))), len(points))


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` points: each the medians of as many neighbours."""
    if len(points) <= most:
        return list(points)
    edges = [round(i * len(points) / most) for i in range(most + 1)]
    groups = [points[a:b] for a, b in pairwise(edges)]
    return [(median(x for x, _ in group), median(y for _, y in group)) for group in groups]


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def variance(values: Sequence[float]) -> float:
    """The variance of Kendall's score where the values have no order, those that are equal allowed for."""
    count, ties = len(values), 0
    if len(set(values)) < count:
        ties = sum(n * (n - 1) * (2 * n + 5) for n in Counter(values).values())
    return (_orders(count) - ties) / 18


def untied_variance(count: int) -> float:
    """The same of so many values of which no two are equal."""
    return _orders(count) / 18


def _orders(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)
