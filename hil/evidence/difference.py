"""Two rates, looked at after each pair of trials: do they differ, and by how much? Pure arithmetic.

The trials come in pairs: one of each side, made under like circumstances (the same board, one right after the other).
Within a pair both sides have the same rate if the hypothesis holds; from pair to pair that rate may change as it
likes. So neither a board that fails more often than its neighbour nor a bench that is slower at night can be taken for
a difference of the sides.

The e-value is that of R. J. Turner, A. Ly and P. D. Grünwald (Generic E-variables for exact sequential k-sample tests
that allow for optional stopping, 2021) and, for a difference other than 0, of R. J. Turner and P. D. Grünwald (Safe
sequential testing and effect size estimation in stratified count data, AISTATS 2023): one bets on a pair of rates
against that pair of rates, among those that the hypothesis allows, which is nearest to it (by Kullback and Leibler's
measure). That this is a bet which gains nothing while the hypothesis holds, one sees so: the factor by which a side
multiplies the stake is linear in that side's true rate, L = 1 + (rate - nearest) c, and -c is the slope of the
measure at the nearest pair. Since the allowed pairs are a convex set, the measure falls towards none of them, so the
two factors add up to 2 at most, and their product is 1 at most.

As for one rate, the bets are placed on a grid of pairs at once; the e-value then depends on the two counts alone. What
e-values are: see `hil.evidence.sequential`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal

from hil.evidence.intervals import Interval
from hil.evidence.sequential import RATES, mixed

_PARTS: Final = 12
#: As `sequential.RATES`, coarser: the pairs are its square.
_COARSE: Final = tuple(math.sin(math.pi * (part + 0.5) / (2 * _PARTS)) ** 2 for part in range(_PARTS))
_STEPS: Final = 200
"""Into how many steps a difference from 0 to 1 is cut where an interval is looked for: bounds are right to 0.5 %."""

#: For one bet, what a failure and a pass of the first side, and of the second, add to the logarithm of the stake.
_Bet = tuple[float, float, float, float]


def differ(first: int, second: int, pairs: int) -> float:
    """The e-value against 'both sides fail at the same rate in each pair', from so many failures in so many pairs.

    At 20 or more they differ, with an error of at most 1 in 20, however often one has looked. Raises ValueError for
    counts that cannot be.
    """
    _check(first, second, pairs)
    return _value(_against_equal(), first, second, pairs)


def exceeds_by_less(first: int, second: int, pairs: int, least: float) -> float:
    """The e-value against 'the second side fails more often than the first, by `least` or more'.

    `least` above -1 and below 1, rounded to 0.005; where it is negative, the hypothesis is that the second side fails
    less often by that at most. Raises ValueError for counts or a `least` that cannot be.
    """
    _check(first, second, pairs)
    if not abs(round(least * _STEPS)) < _STEPS:
        raise ValueError(f"found a difference of {least}, expected one above -1 and below 1")
    return _value(_against_excess(round(least * _STEPS)), first, second, pairs)


def alike(first: int, second: int, pairs: int, least: float) -> float:
    """The e-value against 'the rates differ by `least` or more', in whichever direction: the weaker of the two.

    The bets are placed on equal rates alone: whoever asks this hopes for them, and spreads no stakes elsewhere.
    Raises ValueError for counts or a `least` that cannot be.
    """
    _check(first, second, pairs)
    if not 0 < round(least * _STEPS) < _STEPS:
        raise ValueError(f"found a difference of {least}, expected one above 0 and below 1")
    bets = _equal_against_excess(round(least * _STEPS))
    return min(_value(bets, first, second, pairs), _value(bets, second, first, pairs))


def difference(first: int, second: int, pairs: int, confidence: float = 0.95) -> Interval:
    """By how much the second side's rate exceeds the first's, from -1 to 1, for somebody who looks when he likes.

    The differences that are not refuted, each bound with half of the error. Raises ValueError for counts that cannot
    be.
    """
    limit = 2 / (1 - confidence)

    def over(steps: int) -> bool:
        return exceeds_by_less(first, second, pairs, steps / _STEPS) >= limit

    def under(steps: int) -> bool:
        return exceeds_by_less(second, first, pairs, -steps / _STEPS) >= limit

    _check(first, second, pairs)
    seen = round((second - first) / max(pairs, 1) * _STEPS)
    high = _last(lambda steps: not over(steps), seen, 1)
    low = _last(lambda steps: not under(steps), seen, -1)
    return Interval(low / _STEPS, high / _STEPS, confidence)


def _check(first: int, second: int, pairs: int) -> None:
    for count in (first, second):
        if not 0 <= count <= pairs:
            raise ValueError(f"found {count} of {pairs}, expected a count from 0 to {pairs}")


@lru_cache(maxsize=4096)
def _value(bets: tuple[_Bet, ...], first: int, second: int, pairs: int) -> float:
    return mixed(first * a + (pairs - first) * b + second * c + (pairs - second) * d for a, b, c, d in bets)


def _bet(rates: tuple[float, float], nearest: tuple[float, float]) -> _Bet:
    (a, b), (x, y) = rates, nearest
    return (math.log(a / x), math.log((1 - a) / (1 - x)), math.log(b / y), math.log((1 - b) / (1 - y)))


@lru_cache(maxsize=1)
def _against_equal() -> tuple[_Bet, ...]:
    """The nearest pair of equal rates has the mean of both."""
    return tuple(_bet((a, b), ((a + b) / 2, (a + b) / 2)) for a in _COARSE for b in _COARSE if a != b)


@lru_cache(maxsize=4 * _STEPS)
def _against_excess(steps: int) -> tuple[_Bet, ...]:
    """Bets on the pairs of the grid that the hypothesis does not allow; no bet at all where it allows all of them."""
    excess = steps / _STEPS
    bets = []
    for a in _COARSE:
        for b in _COARSE:
            if b - a < excess:
                x = _nearest(a, b, excess)
                bets.append(_bet((a, b), (x, x + excess)))
    return tuple(bets) or ((0.0, 0.0, 0.0, 0.0),)


@lru_cache(maxsize=_STEPS)
def _equal_against_excess(steps: int) -> tuple[_Bet, ...]:
    excess = steps / _STEPS
    return tuple(_bet((a, a), (x, x + excess)) for a in RATES for x in [_nearest(a, a, excess)])


def _nearest(a: float, b: float, excess: float) -> float:
    """The first rate of the pair (x, x + excess) that is nearest to (a, b): where the measure's slope is 0."""
    low, high = max(0.0, -excess), min(1.0, 1.0 - excess)

    def rises(x: float) -> bool:
        y = x + excess
        return (1 - a) / (1 - x) - a / x + (1 - b) / (1 - y) - b / y > 0

    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if rises(middle) else (middle, high)
    return (low + high) / 2


def _last(holds: Callable[[int], bool], start: int, way: Literal[-1, 1]) -> int:
    """The first step from `start` on for which it does not hold, by halving; the end of the scale if there is none."""
    inside, outside = start, way * _STEPS
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return outside
