"""How many file descriptors this process has in use, counted only when it may matter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable


def open_files() -> list[int]:
    """The numbers of this process's descriptors, one among them that is open for the look alone. Raises OSError where
    there is no /dev/fd."""
    return [int(name) for name in os.listdir("/dev/fd")]


class Descriptors:
    """Tells how many are in use. `plenty`: below so many nobody cares, and nothing is counted.

    A new descriptor gets the lowest free number. So a number tells how many are in use, but only until one of `plenty`
    or more has been given out: from then on lower ones come free below it, and all are counted, until the high ones are
    gone.
    """

    def __init__(self, plenty: int, numbers: Callable[[], Iterable[int]] = open_files) -> None:
        self._plenty = plenty
        self._numbers = numbers
        self._counting = False

    def beside(self, file: int) -> int:
        """How many are in use beside the newest, which has the number `file`."""
        if file < self._plenty and not self._counting:
            return file
        try:
            numbers = list(self._numbers())
        except OSError:
            return file
        self._counting = any(number >= self._plenty for number in numbers)
        return len(numbers) - 2  # beside the newest, and beside the one that is open for the look
