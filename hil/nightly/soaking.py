"""How long each soak may last, so that the last of them is over at the given hour. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from hil.nightly.planned import Planned
from hil.report.results import Result
from hil.rig import Rig
from hil.sharing import lanes


def soak_minutes(tests: Sequence[Planned], rig: Rig, results: Iterable[Result], seconds: float) -> float | None:
    """Minutes for each of these tests; None where no time is left.

    Tests of one board run one after the other, and so do those of boards that share a lane. Before the first of them
    the board is made ready, for as long as the longest set-up of this night took.
    """
    lane_of = lanes(rig, list(dict.fromkeys(one.board for one in tests)))
    most = max(Counter(lane_of[one.board] for one in tests).values())
    set_ups = [phase.seconds for result in results for phase in result.phases if phase.when == "setup"]
    left = seconds - max(set_ups, default=0.0)
    return left / most / 60 if left > 0 else None
