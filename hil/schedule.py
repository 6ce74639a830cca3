"""When a fault applies: the next N occasions, from an event on, for so many seconds, with a probability.

    gateway.arm(Withhold("puback"), "esp32-a", Schedule(count=2))
    gateway.arm(BlackHole(), "esp32-a", Schedule(after=where("gateway", "suback", "esp32-a"), seconds=30))

What an occasion is depends on the fault: a connect, a packet, a request for the time, a cycle of the power.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, fields
from typing import Any

from hil.timeline import Event, Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a fault applies. All conditions hold together.

    `count`: the next so many occasions that meet the fault, then it clears itself; None: no limit. `skip`: occasions
    to let pass first. `after`: from the next event that matches on; what came before the fault was armed does not
    count. `seconds`: for so long from its start, which is the arming or the event. `probability`: of each occasion,
    above 0 and at most 1, drawn from random.Random(seed).

    Raises ValueError for what could never apply.
    """

    count: int | None = None
    skip: int = 0
    after: Match | None = None
    seconds: float | None = None
    probability: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError(f"schedule: count is {self.count}, expected 1 or more, or None for no limit")
        if self.skip < 0:
            raise ValueError(f"schedule: skip is {self.skip}, expected 0 or more")
        if self.after is not None and not isinstance(self.after, Match):
            raise ValueError(f"schedule: after is {self.after!r}, expected a match of events, made by where(...)")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"schedule: seconds is {self.seconds}, expected more than 0, or None for no limit")
        if not 0 < self.probability <= 1:
            raise ValueError(f"schedule: probability is {self.probability}, expected more than 0 and at most 1")

    def facts(self) -> dict[str, Any]:
        """What is not as by default, as plain values: the `schedule` of a fault's `armed` event."""
        changed = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}
        return {key: str(value) if isinstance(value, Match) else value for key, value in changed.items()}


ALWAYS = Schedule()
"""From the arming to the clearing, at each occasion."""


class Clockwork:
    """One schedule, running. Times are those of time.monotonic(), and are handed in.

    `due` and `over` belong to one thread; `note_event` may come from any.
    """

    def __init__(self, schedule: Schedule, now: float) -> None:
        self.schedule = schedule
        self.started: float | None = now if schedule.after is None else None
        self.met = 0  # occasions that met the fault
        self._passed = 0
        self._random = random.Random(schedule.seed)
        self._lock = threading.Lock()

    def note_event(self, event: Event) -> bool:
        """Look at an event of the timeline; True if it is the one that the schedule starts with."""
        after = self.schedule.after
        if self.started is not None or after is None or not after(event):
            return False
        with self._lock:
            if self.started is not None:
                return False
            self.started = event.monotonic
        return True

    def running(self, now: float) -> bool:
        """Whether it has started and is not over. Takes no occasion."""
        return self.started is not None and not self.over(now)

    def due(self, now: float) -> bool:
        """Take an occasion; whether it meets the fault. One before the start, or after the end, is none at all."""
        if not self.running(now):
            return False
        if self._passed < self.schedule.skip:
            self._passed += 1
            return False
        if self.schedule.probability < 1 and self._random.random() >= self.schedule.probability:
            return False
        self.met += 1
        return True

    @property
    def spent(self) -> bool:
        """Whether all occasions of `count` have been."""
        return self.schedule.count is not None and self.met >= self.schedule.count

    def ends(self) -> float | None:
        """When `seconds` are over; None while that is not known, or never."""
        if self.started is None or self.schedule.seconds is None:
            return None
        return self.started + self.schedule.seconds

    def over(self, now: float) -> bool:
        """Whether it can never be due again."""
        ends = self.ends()
        return self.spent or (ends is not None and now >= ends)
