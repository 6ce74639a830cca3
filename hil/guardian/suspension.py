"""Whether this machine has slept: CLOCK_BOOTTIME goes on in a suspended machine, CLOCK_MONOTONIC does not."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds of sleep that count: the two clocks are not read at one moment.
SHORTEST = 0.5


def _asleep() -> float:
    """Seconds that this machine has slept since it was started (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Suspension:
    """Tells each sleep once. `asleep`: all seconds of sleep so far."""

    def __init__(self, asleep: Callable[[], float] = _asleep) -> None:
        self._asleep = asleep
        self._known = asleep()

    def seconds(self) -> float:
        """How long the machine has slept since this was last asked; 0 if it has not."""
        now = self._asleep()
        slept, self._known = now - self._known, now
        return slept if slept >= SHORTEST else 0.0
