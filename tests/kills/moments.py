"""When and how a run is killed, chosen by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

How = Literal["kill", "kill the group", "terminate", "interrupt"]

#: What a run does. The options of pytest, or of `hil`; both get the rig.
ACTIVITIES = {
    "pytest": ["pytest", "tests/kills/work.py"],
    "pytest -n": ["pytest", "tests/kills/work.py", "-n", "auto"],
    "hil flash": ["hil", "flash", "--force"],
}

#: The events of a run after which it may be killed, and within how many seconds: about as long as what begins there
#: takes. "" is the start of its process: Python's start, the opening of the bench.
TRIGGERS: dict[str, float] = {
    "": 3.0,
    "flash start": 3.0,
    "provision start": 3.0,
    "power on": 1.0,
    "reset hard": 1.0,
    "power off": 0.3,
}

_HOWS: dict[How, int] = {"kill": 60, "kill the group": 20, "terminate": 10, "interrupt": 10}


@dataclass(frozen=True)
class Moment:
    """`nth` occurrence of `trigger` on the run's timeline, and `delay` seconds more."""

    activity: str
    trigger: str
    nth: int
    delay: float
    how: How

    def __str__(self) -> str:
        after = f"{self.trigger} no. {self.nth}" if self.trigger else "its start"
        return f"{self.activity}: {self.how} {self.delay:.2f} s after {after}"


def moments(seed: int, count: int) -> Iterator[Moment]:
    """`count` of them, the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        activity = chance.choices(list(ACTIVITIES), [5, 3, 2])[0]
        # `hil flash` does nothing but flash.
        trigger = chance.choice(["", "flash start"] if activity == "hil flash" else list(TRIGGERS))
        nth = chance.randint(1, 4 if trigger in ("power on", "reset hard") else 2)
        how = chance.choices(list(_HOWS), list(_HOWS.values()))[0]
        yield Moment(activity, trigger, nth, chance.uniform(0, TRIGGERS[trigger]), how)
