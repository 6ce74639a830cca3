"""What a soak does to a board, and when: drawn from a seed, so that a run can be had again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

What = Literal["drop", "close", "latency", "black-hole", "broker-restart", "power-cut", "silent-time"]

LASTS: Final[Mapping[What, tuple[float, float]]] = {
    "drop": (0.0, 0.0),
    "close": (0.0, 0.0),
    "latency": (2.0, 10.0),
    "black-hole": (1.0, 10.0),
    "broker-restart": (0.5, 5.0),
    "power-cut": (0.05, 2.0),
    "silent-time": (2.0, 10.0),
}
"""Seconds that each lasts, between these two."""

MIX: Final[Mapping[What, float]] = {"drop": 3, "close": 1, "latency": 2, "broker-restart": 1, "power-cut": 2}
"""How often each comes, one against the other."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One disturbance: `at` seconds from the start of the soak, for `lasts` seconds."""

    what: What
    at: float
    lasts: float


def plan(
    *, seed: int, seconds: float, mix: Mapping[What, float] = MIX, mean: float = 20.0, least: float = 2.0
) -> list[Planned]:
    """The disturbances of one seed: one after the other, with `least` seconds of peace and an exponential time on top
    between them, `mean` in all. The last is over before `seconds`. Raises ValueError."""
    unknown = set(mix) - set(get_args(What))
    if unknown:
        raise ValueError(
            f"soak: found {', '.join(sorted(unknown))} in mix, expected some of {', '.join(get_args(What))}"
        )
    chosen = {what: weight for what, weight in mix.items() if weight > 0}
    if not chosen or any(weight < 0 for weight in mix.values()):
        raise ValueError(f"soak: mix is {dict(mix)}, expected weights above 0")
    if not mean > least >= 0:
        raise ValueError(f"soak: found mean={mean} and least={least} s between disturbances, expected a mean above it")
    draw = random.Random(seed)
    found: list[Planned] = []
    moment = 0.0
    while True:
        at = moment + least + draw.expovariate(1 / (mean - least))
        what = draw.choices(list(chosen), list(chosen.values()))[0]
        lasts = draw.uniform(*LASTS[what])
        moment = at + lasts
        if moment > seconds:
            return found
        found.append(Planned(what, at, lasts))
