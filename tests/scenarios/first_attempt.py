"""What several scenarios begin with: switch the board on, and see what became of its first connection."""

from __future__ import annotations

from hil.attempts import Attempt, attempts
from hil.board import Board
from hil.timeline import Timeline, where


def first_attempt(timeline: Timeline, board: Board) -> Attempt:
    """The first connection after a power cycle, once TLS is done or has failed on it.

    Raises timeline.NoSuchEvent if there is none within the contract's `online.within`.
    """
    mark = timeline.mark()
    board.power_cycle()
    timeline.wait(
        where("gateway", "tls", board.name) | where("gateway", "tls-failed", board.name),
        timeout=board.contract.online.within,
        after=mark,
    )
    return attempts(timeline.events(after=mark), board.name)[0]
