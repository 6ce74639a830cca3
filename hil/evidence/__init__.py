"""What counts as shown: intervals, exact tests, trends and changes. Pure arithmetic on numbers, which knows no boards.

The formulas are few and short, and each names its source; scipy would be a hundred megabytes for them. The tests hold
them against scipy's results, and count how often they cry wolf.
"""

from __future__ import annotations

from hil.evidence.change import Change, change, detrended_correlation, inflation, mann_kendall
from hil.evidence.exact import at_least, fisher_more
from hil.evidence.intervals import Interval, wilson
from hil.evidence.several import adjusted
from hil.evidence.trend import Trend, trend

__all__ = [
    "Change",
    "Interval",
    "Trend",
    "adjusted",
    "at_least",
    "change",
    "detrended_correlation",
    "fisher_more",
    "inflation",
    "mann_kendall",
    "trend",
    "wilson",
]
