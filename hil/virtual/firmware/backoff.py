"""How long to wait before the next try."""

from __future__ import annotations

import secrets
from enum import Enum

from hil.virtual.firmware.build import Build


class Shape(Enum):
    """How gaps follow each other. Good firmware has JITTER; the others are what is found in the field."""

    JITTER = "doubles, each drawn from the upper half of its range"
    DOUBLING = "doubles, no jitter"
    LINEAR = "grows by the same amount each time"
    CONSTANT = "always the same"
    NONE = "no gap at all"


def shape(build: Build) -> Shape:
    """The shape of the gaps between this build's tries to connect."""
    if build.has("reconnect-storm"):
        return Shape.NONE
    if build.has("fixed-retry"):
        return Shape.CONSTANT
    if build.has("linear-retry"):
        return Shape.LINEAR
    return Shape.DOUBLING if build.lacks("jitter") else Shape.JITTER


class Backoff:
    """Gaps from `first` to `ceiling` (milliseconds).

    JITTER is 'equal jitter': the n-th gap is random between half of first x 2^n and all of it, so gaps grow, and
    devices that lost the same broker at once do not come back at once. The randomness is the hardware's, not a seeded
    generator's: two boards with the same firmware must not draw the same numbers.
    """

    def __init__(self, first: int, ceiling: int, shape: Shape = Shape.JITTER) -> None:
        self._first = max(first, 1)
        self._ceiling = max(ceiling, self._first)
        self._shape = shape
        self._tries = 0

    def next(self) -> int:
        """The gap before the next try, in milliseconds."""
        self._tries += 1
        match self._shape:
            case Shape.NONE:
                return 0
            case Shape.CONSTANT:
                return self._first
            case Shape.LINEAR:
                return min(self._first * self._tries, self._ceiling)
        whole = min(self._first << min(self._tries - 1, 32), self._ceiling)
        return whole if self._shape is Shape.DOUBLING else whole - secrets.randbelow(whole // 2 + 1)

    def longest(self) -> None:
        """From now on, wait as long as ever: we were told to leave somebody alone."""
        self._tries = 32

    def reset(self) -> None:
        """All is well again."""
        self._tries = 0
