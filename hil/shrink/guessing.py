"""Which parts are left out next, when some of them are needed and nobody knows which. Pure arithmetic.

Each part has a chance of being needed. Left out are so many of the least needed that the most parts are expected to
be got rid of; what comes of it changes the chances, by Bayes' rule. So a first look takes many at once, and what
resists is taken ever more singly (G. Wang, R. Shen, J. Chen, Y. Xiong and L. Zhang, Probabilistic Delta Debugging,
ESEC/FSE 2021; the idea of minimising by trying without is A. Zeller's and R. Hildebrandt's, IEEE Transactions on
Software Engineering 28, 2002).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

AT_FIRST: Final = 0.3
"""The chance of being needed before anything was tried: three are left out at first."""
AGAIN: Final = 0.7
"""The same for one that was needed beside others, which are gone by now: it is left out alone."""


class Guess:
    """Parts of these names, in the order in which they are left out where nothing else tells them apart.

    `again`: those that were needed beside others.
    """

    def __init__(self, names: Sequence[str], again: Collection[str] = ()) -> None:
        self._needed = {name: AGAIN if name in again else AT_FIRST for name in names}

    def next(self) -> list[str]:
        """What to leave out now; nothing once each part is known to be needed, or gone."""
        doubtful = sorted((name for name, chance in self._needed.items() if chance < 1), key=self._needed.__getitem__)
        best, chosen, not_needed = 0.0, 0, 1.0
        for count, name in enumerate(doubtful, 1):
            not_needed *= 1 - self._needed[name]
            if count * not_needed > best:
                best, chosen = count * not_needed, count
        return doubtful[:chosen]

    def gone(self, names: Sequence[str]) -> None:
        """It goes without these: they are out."""
        for name in names:
            del self._needed[name]

    def refused(self, names: Sequence[str]) -> None:
        """It does not go without these: at least one of them is needed."""
        none_needed = 1.0
        for name in names:
            none_needed *= 1 - self._needed[name]
        for name in names:
            self._needed[name] = 1.0 if len(names) == 1 else min(1.0, self._needed[name] / (1 - none_needed))
