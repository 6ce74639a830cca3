"""Power cuts that come when it hurts: at an event, in a train of brown-outs, or at random over a soak.

    with cut_at(board, where("gateway", "publish", board.name, direction="up"), off=0.5) as cut:
        board.power_cycle()
        cut.wait(timeout=30)

    brown_out(board, cuts=5, off=0.05, on=0.3).run()

    with random_cuts(board, seed=1, mean=20, seconds=600) as cuts:
        ...

Each is a `Pattern`: it plays in a thread of its own until it is done or its block ends, whichever comes first, and
tells the timeline what was planned and what became of it.
"""

from __future__ import annotations

from hil.power.patterns.brown_out import brown_out
from hil.power.patterns.cut_at import cut_at
from hil.power.patterns.pattern import Cut, Cuttable, Pattern
from hil.power.patterns.random_cuts import PlannedCut, plan_random_cuts, random_cuts

__all__ = ["Cut", "Cuttable", "Pattern", "PlannedCut", "brown_out", "cut_at", "plan_random_cuts", "random_cuts"]
