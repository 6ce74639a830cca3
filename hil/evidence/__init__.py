"""What counts as shown: intervals, exact tests, trends and changes. Pure arithmetic on numbers, which knows no boards.

Intervals and exact tests are for trials whose number was fixed beforehand; who looks after each trial and stops when it
suits him asks `sequential` and `difference`.

The formulas are few and short, and each names its source; scipy would be a hundred megabytes for them. The tests hold
them against scipy's results, and count how often they cry wolf.
"""

from __future__ import annotations

from hil.evidence.change import Change, change, inflation, mann_kendall
from hil.evidence.difference import alike, differ, difference, exceeds_by_less
from hil.evidence.exact import at_least, fisher_more
from hil.evidence.intervals import Interval, wilson
from hil.evidence.rates import Rates, learnt
from hil.evidence.sequential import above, below, lasting
from hil.evidence.several import adjusted, held
from hil.evidence.trend import Trend, trend

__all__ = [
    "Change",
    "Interval",
    "Rates",
    "Trend",
    "above",
    "adjusted",
    "alike",
    "at_least",
    "below",
    "change",
    "differ",
    "difference",
    "exceeds_by_less",
    "fisher_more",
    "held",
    "inflation",
    "lasting",
    "learnt",
    "mann_kendall",
    "trend",
    "wilson",
]
