"""What kind of retry a series of gaps between attempts shows. Pure arithmetic; the timeline is not touched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPattern:
    """`growth`: by what factor a gap is longer than the one before, on average (1: they stay the same)."""

    growth: float
    gaps: tuple[float, ...]

    @property
    def grows(self) -> bool:
        """Whether the gaps grow for certain: by at least a fifth each time, over four of them or more."""
        return len(self.gaps) >= 4 and self.growth >= 1.2


def classify(gaps: Sequence[float]) -> RetryPattern:
    """Fit a growth factor to gaps in seconds, oldest first: least squares on their logarithms.

    Doubling with equal or full jitter fits near 2, equal gaps near 1. The slope over all gaps is taken, since with
    jitter a single gap may well be shorter than the one before. Raises ValueError for a gap of no length.
    """
    if any(gap <= 0 for gap in gaps):
        raise ValueError(f"gaps must be longer than 0 s, found {list(gaps)}")
    count = len(gaps)
    if count < 2:
        return RetryPattern(1.0, tuple(gaps))
    logs = [math.log(gap) for gap in gaps]
    middle, mean = (count - 1) / 2, sum(logs) / count
    slope = sum((i - middle) * (y - mean) for i, y in enumerate(logs)) / sum((i - middle) ** 2 for i in range(count))
    return RetryPattern(math.exp(slope), tuple(gaps))
