"""Exact probabilities of counts, for numbers too small for approximations."""

from __future__ import annotations

import math
from collections.abc import Iterable


def fisher_more(failed: int, tries: int, failed_before: int, tries_before: int) -> float:
    """How probable it is that `failed` or more of these `tries` fail, if nothing has changed since before.

    R. A. Fisher's exact test, one side of it: of all ways to deal the failures among the tries, the part in which so
    many fall on the later ones (Statistical Methods for Research Workers, 1934, section 21.02). Raises ValueError for
    counts that cannot be.
    """
    for count, of in ((failed, tries), (failed_before, tries_before)):
        if not 0 <= count <= of:
            raise ValueError(f"found {count} of {of}, expected a count from 0 to {of}")
    everything, failures = tries + tries_before, failed + failed_before
    ways = sum(
        math.comb(tries, count) * math.comb(tries_before, failures - count)
        for count in range(failed, min(tries, failures) + 1)
        if failures - count <= tries_before
    )
    return ways / math.comb(everything, failures)


def at_least(count: int, chances: Iterable[float]) -> float:
    """How probable it is that `count` or more of independent events happen, each with a chance of its own.

    The distribution of their number is built up event by event (the Poisson binomial; Y. H. Wang, Statistica Sinica 3,
    1993), so it is exact.
    """
    spread = [1.0]
    for chance in chances:
        stays = [part * (1 - chance) for part in spread] + [0.0]
        rises = [0.0] + [part * chance for part in spread]
        spread = [a + b for a, b in zip(stays, rises, strict=True)]
    return min(1.0, math.fsum(spread[max(0, count) :]))
