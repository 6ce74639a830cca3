"""Between what a rate lies, of which only so many tries are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """`low` and `high`, both parts of 1, and with which `confidence` the true rate lies between them."""

    low: float
    high: float
    confidence: float

    def __str__(self) -> str:
        return f"{self.low:.0%} to {self.high:.0%}"


def wilson(count: int, tries: int, confidence: float = 0.95) -> Interval:
    """The rate behind `count` of `tries`, by E. B. Wilson's score interval.

    Unlike the usual mean plus or minus two deviations it stays within 0 and 1, and says something where `count` is 0 or
    all: 0 of 10 may still be 28 %. (E. B. Wilson, Journal of the American Statistical Association 22, 1927; recommended
    for small numbers by L. D. Brown, T. T. Cai and A. DasGupta, Statistical Science 16, 2001.) Without a try it is
    0 to 1. Raises ValueError for a count that cannot be.
    """
    if not 0 <= count <= tries:
        raise ValueError(f"found {count} of {tries}, expected a count from 0 to {tries}")
    if tries == 0:
        return Interval(0.0, 1.0, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, weight = count / tries, z * z / tries
    middle = (rate + weight / 2) / (1 + weight)
    reach = z / (1 + weight) * math.sqrt(rate * (1 - rate) / tries + weight / (4 * tries))
    low = 0.0 if count == 0 else max(0.0, middle - reach)
    high = 1.0 if count == tries else min(1.0, middle + reach)
    return Interval(low, high, confidence)
