"""One rate, looked at after each trial. Pure arithmetic.

A p value is right for a number of trials fixed beforehand: whoever looks after each trial and stops at the first
p below 0.05 is wrong far more often than one time in twenty. What is counted here may be looked at whenever one likes.
An e-value is a bet against a hypothesis: it starts at 1, and while the hypothesis is true no way of betting and of
stopping makes it grow on average. So it reaches 20 with a chance of 1 in 20 at most, ever (J. Ville, Étude critique de
la notion de collectif, 1939; for tests: G. Shafer, Journal of the Royal Statistical Society A 184, 2021, and
A. Ramdas, P. Grünwald, V. Vovk and G. Shafer, Statistical Science 38, 2023).

The bets are placed on a grid of rates at once, with equal stakes, since nobody knows the true one; a mixture of bets
is a bet. The grid is Jeffreys' prior cut into equal parts, which lies close at 0 and at 1, where failures of the field
mostly are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from hil.evidence.intervals import Interval

_PARTS: Final = 36
#: Rates strictly between 0 and 1 that Jeffreys' prior finds equally likely.
RATES: Final = tuple(math.sin(math.pi * (part + 0.5) / (2 * _PARTS)) ** 2 for part in range(_PARTS))
_FINE: Final = 60
"""Halvings until a bound is exact."""


def above(count: int, tries: int, rate: float) -> float:
    """The e-value against 'it happens at `rate` or less': how strongly `count` of `tries` say that it is more.

    Against the odds at `rate` a bet is placed on each greater rate of the grid (H. Robbins' mixtures, Annals of
    Mathematical Statistics 41, 1970). At 20 or more the hypothesis is refuted with an error of at most 1 in 20, however
    often one has looked. Raises ValueError for counts or a rate that cannot be.
    """
    _check(count, tries)
    if not 0 < rate < 1:
        raise ValueError(f"found a rate of {rate}, expected one between 0 and 1")
    stakes = [one for one in RATES if one > rate] or [(1 + rate) / 2]
    return mixed(_bet(count, tries, one, rate) for one in stakes)


def below(count: int, tries: int, rate: float) -> float:
    """The e-value against 'it happens at `rate` or more'; see `above`, of which it is the mirror image."""
    return above(tries - count, tries, 1 - rate)


def lasting(count: int, tries: int, confidence: float = 0.95) -> Interval:
    """Between what a rate lies, for somebody who looks after each trial and stops when it suits him.

    All the rates against which a bet of the whole of Jeffreys' prior stays below 1 / (1 - confidence); the true one is
    among them at every look, from the first to the last, with `confidence` (Robbins 1970; S. R. Howard, A. Ramdas,
    J. McAuliffe and J. Sekhon, Annals of Statistics 49, 2021, call it a confidence sequence). It is wider than Wilson's
    interval: that is the price of looking. Raises ValueError for a count that cannot be.
    """
    _check(count, tries)
    if tries == 0:
        return Interval(0.0, 1.0, confidence)
    whole = _log_beta(count + 0.5, tries - count + 0.5) - _log_beta(0.5, 0.5)
    limit = -math.log(1 - confidence)

    def refuted(rate: float) -> bool:
        return whole - _log_chance(count, tries, rate) >= limit

    observed = count / tries
    low = 0.0 if count == 0 else _edge(refuted, 0.0, observed)
    high = 1.0 if count == tries else _edge(refuted, 1.0, observed)
    return Interval(low, high, confidence)


def mixed(logarithms: Iterable[float]) -> float:
    """The mean of e-values that are given by their logarithms; infinite where it is too large for a float."""
    found = list(logarithms)
    most = max(found)
    if most > 700:
        return math.inf
    return math.exp(most) * math.fsum(math.exp(one - most) for one in found) / len(found)


def _check(count: int, tries: int) -> None:
    if not 0 <= count <= tries:
        raise ValueError(f"found {count} of {tries}, expected a count from 0 to {tries}")


def _bet(count: int, tries: int, rate: float, against: float) -> float:
    return _log_chance(count, tries, rate) - _log_chance(count, tries, against)


def _log_chance(count: int, tries: int, rate: float) -> float:
    """The logarithm of the chance of one order of so many successes."""
    if rate in (0.0, 1.0):
        return 0.0 if count == tries * rate else -math.inf
    return count * math.log(rate) + (tries - count) * math.log1p(-rate)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _edge(refuted: Callable[[float], bool], outside: float, inside: float) -> float:
    """Where between a refuted rate and one that is not the change is; the last one that is refuted."""
    for _ in range(_FINE):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if refuted(middle) else (outside, middle)
    return outside
