"""Many questions asked at once: of a thousand series some look striking by chance."""

from __future__ import annotations

from collections.abc import Sequence


def adjusted(chances: Sequence[float]) -> list[float]:
    """For each p value the rate of false discoveries among all that are as clear as it.

    Y. Benjamini and Y. Hochberg (Journal of the Royal Statistical Society B 57, 1995): whoever reports all with a value
    up to 0.05 is wrong in one of twenty of the reports, at most, and that also where the questions hang together in
    the same direction (Benjamini and D. Yekutieli 2001).
    """
    count = len(chances)
    found = [1.0] * count
    least = 1.0
    for rank, index in reversed(list(enumerate(sorted(range(count), key=chances.__getitem__), 1))):
        least = min(least, chances[index] * count / rank)
        found[index] = least
    return found


def held(chances: Sequence[float]) -> list[float]:
    """For each p value (or 1 divided by an e-value) the chance that any of all that are as clear as it is false.

    S. Holm (Scandinavian Journal of Statistics 6, 1979): whoever reports all with a value up to 0.05 reports something
    false one time in twenty, at most, whatever the questions have to do with each other.
    """
    count = len(chances)
    found = [1.0] * count
    most = 0.0
    for rank, index in enumerate(sorted(range(count), key=chances.__getitem__)):
        most = max(most, min(1.0, chances[index] * (count - rank)))
        found[index] = most
    return found
