"""How long to wait before the next try."""

from __future__ import annotations

import secrets


class Backoff:
    """Gaps that double from `first` to `ceiling` (milliseconds), each drawn from the upper half of its range.

    That is 'equal jitter': the n-th gap is random between half of first x 2^n and all of it, so gaps grow, and devices
    that lost the same broker at once do not come back at once. The randomness is the hardware's, not a seeded
    generator's: two boards with the same firmware must not draw the same numbers.

    `constant` makes the mistake of many sketches: the gap is always `first`.
    """

    def __init__(self, first: int, ceiling: int, *, constant: bool = False) -> None:
        self._first = max(first, 1)
        self._ceiling = max(ceiling, self._first)
        self._constant = constant
        self._tries = 0

    def next(self) -> int:
        """The gap before the next try, in milliseconds."""
        if self._constant:
            return self._first
        whole = min(self._first << min(self._tries, 32), self._ceiling)
        self._tries += 1
        return whole - secrets.randbelow(whole // 2 + 1)

    def longest(self) -> None:
        """From now on, wait as long as ever: we were told to leave somebody alone."""
        self._tries = 32

    def reset(self) -> None:
        """All is well again."""
        self._tries = 0
