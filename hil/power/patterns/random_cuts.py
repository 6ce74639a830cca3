"""Power cuts at random moments, the same ones for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hil.power.patterns.pattern import Cuttable, Pattern, check_seconds


@dataclass(frozen=True, slots=True)
class PlannedCut:
    """`at`: seconds from the start. `off`: seconds without supply."""

    at: float
    off: float


def plan_random_cuts(
    *, seed: int, mean: float, seconds: float, off: tuple[float, float], least: float = 0.0
) -> list[PlannedCut]:
    """The cuts of one seed: with supply for `least` seconds and an exponential time on top, `mean` in all; without
    for a time that is even between the two of `off`. The last is over before `seconds`. Raises ValueError."""
    check_seconds("random-cuts", mean=mean, seconds=seconds, least=least, shortest=off[0], longest=off[1])
    if not mean > least or off[0] > off[1]:
        raise ValueError(
            f"random-cuts: found mean={mean}, least={least}, off={off}; expected a mean above the least, and off as "
            "(shortest, longest)"
        )
    draw = random.Random(seed)
    cuts: list[PlannedCut] = []
    moment = 0.0
    while True:
        cut = PlannedCut(moment + least + draw.expovariate(1 / (mean - least)), draw.uniform(*off))
        moment = cut.at + cut.off
        if moment > seconds:
            return cuts
        cuts.append(cut)


def random_cuts(
    board: Cuttable,
    *,
    seed: int = 0,
    mean: float = 30.0,
    seconds: float,
    off: tuple[float, float] = (0.05, 2.0),
    least: float = 0.0,
    within: float = 0.5,
) -> Pattern:
    """Cuts at random moments for `seconds`, or until the block ends: those that `plan_random_cuts` draws.

    A switch that cannot keep up cuts as soon as it can, and never before the supply is back; `within` says from when
    that is told to be late.
    """
    planned = plan_random_cuts(seed=seed, mean=mean, seconds=seconds, off=off, least=least)

    def plan(pattern: Pattern) -> None:
        for cut in planned:
            pattern.cut(cut.off, since=pattern.start, planned=cut.at)
        pattern.pause(pattern.start + seconds)

    facts = {"seed": seed, "mean": mean, "seconds": seconds, "off": list(off), "least": least, "cuts": len(planned)}
    return Pattern(board, "random-cuts", plan, facts, within=within)
