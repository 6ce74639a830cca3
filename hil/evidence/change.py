"""Whether a series of figures, oldest first, has moved: a slow drift, or a step at some place. Pure arithmetic.

Whether there is anything is asked of Mann and Kendall's test, which looks at the order of the values alone, so that a
few wild ones do no harm. It supposes that the values have nothing to do with their neighbours. Those of a lab do: a
busy week makes all its nights slow. So its variance is multiplied by what neighbours have in common, as Hamed and Rao
do (Journal of Hydrology 204, 1998), here for a correlation that fades from neighbour to neighbour by the same factor.

Where a step would have been is A. N. Pettitt's change point (Applied Statistics 28, 1979): the place that parts the
ranks best. Step or drift is said by which of the two, medians on both sides of that place or a straight line, leaves
less unexplained.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import eq
from statistics import NormalDist, median
from typing import Final, Literal

from hil.evidence.trend import Trend, trend, untied_variance, variance

LEAST: Final = 10
"""Values below which no change is claimed."""
_DOUBTFUL: Final = 0.1
"""Up to this p a closer look is worth its time: what the neighbours have in common can only make it larger."""
_STEP: Final = 0.93
"""A step has a place to choose, and so fits noise a little better: it has to leave clearly less than the line does."""
_MOST_CORRELATED: Final = 0.95
"""A correlation from neighbour to neighbour that is held for the highest there is: at 1 no series tells anything."""

_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Change:
    """`kind`: 'step' or 'drift'. `at`: the first value of the new level (of a drift: where Pettitt would part it).

    `before` and `after`: medians up to there and from there on. `slope`: per value, with its range at 95 %. `p`: how
    probable such an order is where nothing moves, neighbours allowed for.
    """

    kind: Literal["step", "drift"]
    at: int
    before: float
    after: float
    slope: float
    low: float
    high: float
    p: float

    @property
    def ratio(self) -> float:
        """By what part of the old level it has moved; infinite from a level of 0."""
        if self.before == 0:
            return math.copysign(math.inf, self.after) if self.after else 0.0
        return (self.after - self.before) / abs(self.before)


def mann_kendall(values: Sequence[float], factor: float = 1.0) -> float:
    """The p value, two-sided, of an order of values as clear as this one, where there is none.

    `factor` multiplies the variance: see `inflation`. 1.0 for fewer than LEAST values, or all the same.
    """
    count = len(values)
    if count < LEAST:
        return 1.0
    score, tied = _score(values)
    spread = math.sqrt((variance(values) if tied else untied_variance(count)) * factor)
    return 1.0 if spread == 0 or score == 0 else 2 * _NORMAL.cdf(-(abs(score) - 1) / spread)


def _score(values: Sequence[float]) -> tuple[int, bool]:
    """Pairs that rise less pairs that fall, and whether any values are equal.

    There may be thousands of series, and few have ties: so the rising pairs alone are counted first.
    """
    rising, seen = 0, list[float]()
    insert = seen.insert
    for value in values:
        below = bisect_left(seen, value)
        rising += below
        insert(below, value)
    if any(map(eq, seen, seen[1:])):
        return _tied_score(values), True
    return 2 * rising - len(seen) * (len(seen) - 1) // 2, False


def _tied_score(values: Sequence[float]) -> int:
    """The same, where some are equal: such pairs neither rise nor fall."""
    score, seen = 0, list[float]()
    for value in values:
        below = bisect_left(seen, value)
        above = len(seen) - bisect_right(seen, value)
        score += below - above
        seen.insert(below, value)
    return score


def inflation(correlation: float, count: int) -> float:
    """What multiplies the variance of a sum over `count` values, each correlated so much with its neighbour."""
    if correlation <= 0:
        return 1.0
    return 1 + 2 * sum((1 - lag / count) * correlation**lag for lag in range(1, count))


def _correlation(residuals: Sequence[float]) -> float:
    """The correlation of neighbours among the ranks of what is left of values when line or step is taken away.

    With the correction for the bias that estimating it from few values has (F. H. C. Marriott and J. A. Pope,
    Biometrika 41, 1954: about (1 + 3r) / n; more where a trend is taken away as well, here 2 + 4r).
    """
    left = _ranks(residuals)
    middle = (len(left) + 1) / 2
    whole = sum((rank - middle) ** 2 for rank in left)
    if whole == 0:
        return 0.0
    found = sum((a - middle) * (b - middle) for a, b in pairwise(left)) / whole
    count = len(left)
    return min(_MOST_CORRELATED, (found + 2 / count) / (1 - 4 / count))


def change(values: Sequence[float], least: float = _DOUBTFUL) -> Change | None:
    """What has moved, if the order is at least as clear as `least`, a p value; None: nothing to speak of.

    Whoever asks it of many series has to correct for that; see `hil.evidence.adjusted`.
    """
    if mann_kendall(values) > least:
        return None
    fitted, at = _slope(values), change_point(values)
    line, step = _residuals(values, fitted.slope, at)
    correlation = _correlation(min(line, step, key=_unexplained))
    p = mann_kendall(values, inflation(correlation, len(values)))
    kind: Literal["step", "drift"] = "step" if _unexplained(step) < _STEP * _unexplained(line) else "drift"
    return Change(kind, at, median(values[:at]), median(values[at:]), fitted.slope, fitted.low, fitted.high, p)


def change_point(values: Sequence[float]) -> int:
    """Pettitt's change point: the index of the first value of the later part, 1 to one less than there are."""
    best, at, total, whole = -1.0, 1, 0.0, len(values) + 1
    for index, rank in enumerate(_ranks(values)[:-1], 1):
        total += rank
        strength = abs(2 * total - index * whole)
        if strength > best:
            best, at = strength, index
    return at


def _slope(values: Sequence[float]) -> Trend:
    return trend([(float(i), value) for i, value in enumerate(values)])


def _residuals(values: Sequence[float], slope: float, at: int) -> tuple[list[float], list[float]]:
    """What a straight line of this slope leaves, and what a step at this place leaves."""
    base = median(value - slope * i for i, value in enumerate(values))
    before, after = median(values[:at]), median(values[at:])
    line = [value - base - slope * i for i, value in enumerate(values)]
    return line, [value - (before if i < at else after) for i, value in enumerate(values)]


def _unexplained(left: Sequence[float]) -> float:
    return math.fsum(abs(value) for value in left)


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 1 on; equal ones share the mean of theirs."""
    order = sorted(values)
    return [(bisect_left(order, value) + 1 + bisect_right(order, value)) / 2 for value in values]
