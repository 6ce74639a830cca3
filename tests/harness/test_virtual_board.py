"""The harness's end of a virtual board: started, found again, and a start that fails told in one line."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from hil import virtual_board
from hil.virtual_board import VirtualBoardError


def test_a_board_that_runs_already_is_used_and_left_running(tmp_path: Path) -> None:
    first = virtual_board.start("one", kind="esp32", chip="esp32", speed=100, folder=tmp_path)
    assert first.process is not None
    second = virtual_board.start("one", kind="esp32", chip="esp32", speed=100, folder=tmp_path)
    assert second.process is None
    assert second.serial == first.serial
    second.close()
    assert psutil.pid_exists(first.process.pid)
    first.close()
    assert first.process.poll() is not None
    assert first.token not in repr(first)


def test_a_board_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(VirtualBoardError, match=r"virtual board one: .*esp99.*one\.log") as caught:
        virtual_board.start("one", kind="esp32", chip="esp99", speed=100, folder=tmp_path)
    assert "\n" not in str(caught.value)


def test_a_board_that_never_gets_ready_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 600\n")
    silent.chmod(0o755)
    monkeypatch.setattr(virtual_board.sys, "executable", str(silent))
    monkeypatch.setattr(virtual_board, "READY_WITHIN", 0.2)
    with pytest.raises(VirtualBoardError, match=r"was not ready within 0\.2 s"):
        virtual_board.start("one", kind="esp32", chip="esp32", speed=100, folder=tmp_path)
