"""After how long something happens, where some were not watched for long enough to see it. Pure arithmetic.

The share that is still without it at each time is E. L. Kaplan and P. Meier's estimate (Journal of the American
Statistical Association 53, 1958). The range of a quantile is R. Brookmeyer and J. Crowley's (Biometrics 38, 1982): all
times at which a test would not deny the share, here with Greenwood's variance of log(-log S), which keeps S between 0
and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median


@dataclass(frozen=True, slots=True)
class Watched:
    """One that was watched for `seconds`; `happened`: whether it happened then, or whether one only stopped looking."""

    seconds: float
    happened: bool


@dataclass(frozen=True, slots=True)
class Point:
    """From `seconds` on the part `left` is still without it; `spread` is the deviation of log(-log left)."""

    seconds: float
    left: float
    spread: float


@dataclass(frozen=True, slots=True)
class Duration:
    """`seconds`, between `low` and `high` with which `confidence`; None: not known, at least as far as one looked."""

    seconds: float | None
    low: float | None
    high: float | None
    confidence: float


def survival(watched: Iterable[Watched]) -> list[Point]:
    """Kaplan and Meier's curve: a point for each time at which it happened, in order."""
    ordered = sorted(watched, key=lambda one: one.seconds)
    left, variance, points = 1.0, 0.0, list[Point]()
    for moment in sorted({one.seconds for one in ordered if one.happened}):
        at_risk = sum(one.seconds >= moment for one in ordered)
        happened = sum(one.happened and one.seconds == moment for one in ordered)
        left *= 1 - happened / at_risk
        variance = math.inf if happened == at_risk else variance + happened / (at_risk * (at_risk - happened))
        spread = math.inf if left <= 0 else math.sqrt(variance) / abs(math.log(left))
        points.append(Point(moment, left, spread))
    return points


def time_until(watched: Iterable[Watched], share: float = 0.5, confidence: float = 0.95) -> Duration:
    """After how long it has happened to this share of all, those that one stopped watching allowed for.

    None where the curve does not come down so far: fewer than that had it while one looked.
    """
    points = survival(watched)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    wanted = math.log(-math.log(1 - share))

    def denied(point: Point, sign: int) -> bool:
        """Whether the share is clearly above (sign 1) or below (-1) what this point says."""
        if point.left <= 0:
            return False  # nobody is left to tell from
        return sign * (wanted - math.log(-math.log(point.left))) > z * point.spread

    reached = next((p.seconds for p in points if p.left <= 1 - share), None)
    low = next((p.seconds for p in points if not denied(p, 1)), None)
    high = next((p.seconds for p in points if denied(p, -1)), None)
    return Duration(reached, low, high, confidence)


def middle(values: Sequence[float], confidence: float = 0.95) -> Duration:
    """The median of values, and the range in which the true one lies, whatever their distribution.

    The range is from the k-th smallest to the k-th largest value, the binomial distribution says which k (W. R.
    Thompson, Annals of Mathematical Statistics 7, 1936). With fewer than six values no range is that sure: None.
    """
    ordered, count = sorted(values), len(values)
    if not count:
        return Duration(None, None, None, confidence)
    below, number = 0.0, 0
    while number < count // 2 and below + math.comb(count, number) / 2**count <= (1 - confidence) / 2:
        below += math.comb(count, number) / 2**count
        number += 1
    if number == 0:
        return Duration(median(ordered), None, None, confidence)
    return Duration(median(ordered), ordered[number - 1], ordered[count - number], confidence)
