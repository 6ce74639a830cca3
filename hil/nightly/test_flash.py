"""The first part of a night: each board gets its firmware, its settings and its credentials."""

from __future__ import annotations

import pytest

from hil.board import Board

TITLE = "takes its firmware and its credentials"


@pytest.mark.scenario(TITLE)
@pytest.mark.timeout(0)
def test_takes_its_firmware(board: Board) -> None:
    """What is in the board already is left alone; what cannot be written is told by the tool that tried.

    The tools have time-outs of their own.
    """
    assert board.flashed
