"""A train of short cuts, as a bad contact, a starting motor or a wavering supply makes it."""

from __future__ import annotations

import time

from hil.power.patterns.pattern import Cuttable, Pattern, check_seconds


def brown_out(
    board: Cuttable, *, cuts: int = 5, off: float = 0.05, on: float = 0.3, within: float | None = None
) -> Pattern:
    """`cuts` times without supply for `off` seconds, with `on` seconds of supply between them, beginning at once.

    A real board's capacitors bridge what is shorter than some 10 ms. `within`: seconds by which a cut may come later,
    or last longer, than planned before it is told to be late; `off`, but at least 0.1 s, without: a hub that takes a
    second to switch makes no brown-outs, and says so in `finding`.
    """
    if cuts < 1:
        raise ValueError(f"brown-out: cuts is {cuts}, expected 1 or more")
    check_seconds("brown-out", off=off, on=on, within=within)

    def plan(pattern: Pattern) -> None:
        since, planned = pattern.start, 0.0
        for _ in range(cuts):
            pattern.cut(off, since=since, planned=planned)
            since, planned = time.monotonic(), on

    facts = {"cuts": cuts, "off": off, "on": on}
    return Pattern(board, "brown-out", plan, facts, within=max(0.1, off) if within is None else within)
