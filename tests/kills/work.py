"""What the runs do that are to be killed. Not collected by itself: `make kills` names this file."""

from __future__ import annotations

import os

from hil.board import Board


def test_work(board: Board) -> None:
    """Flash, provision, and cut the power under it: whatever could be caught half done."""
    board.flash(force=True)
    board.provision(settings={"tele_topic": f"devices/{board.name}/telemetry/{os.getpid()}"})
    for _ in range(2):
        board.power_cycle()
        board.wait_online()
        board.hard_reset()
        board.wait_online()
    board.provision()
