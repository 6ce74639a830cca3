"""What a scenario that was made of a case does: tries it, and fails when the reported failure is back."""

from __future__ import annotations

from hil.bench import Bench
from hil.board import Board
from hil.cases import Case
from hil.cases.applying import lasting
from hil.reproduce.attempt import attempt
from hil.reproduce.trial import Outcome


class CameBack(AssertionError):
    """The board failed in a trial of a case; the message says whether as was reported, and what shows it."""


def must_stay_away(case: Case, bench: Bench, board: Board, *, times: int = 1) -> None:
    """Try the case so many times with the firmware that the board has; its own firmware is left out.

    Raises CameBack at the first trial that does not pass, whether it fails as was reported or otherwise, and what bench
    and board raise.
    """
    with lasting(case, bench, board):
        for number in range(1, times + 1):
            bench.calm(board)
            first = bench.timeline.mark()
            verdict = attempt(case, bench, board, number=number, first=first)
            if verdict.outcome is Outcome.PASSED:
                continue
            how = "as was reported" if verdict.outcome is Outcome.REPRODUCED else "but not as was reported"
            shown = "".join(f"\n  {line}" for line in verdict.evidence)
            raise CameBack(f"trial {number} of {times} of {case.name} failed, {how}: {verdict.why}{shown}")
