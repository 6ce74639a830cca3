"""Tools end, one way or another, and take their children with them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from hil.process import run, shell

LONG = 60.0
START = 3.0
"""Seconds in which a shell has come to its second command, on a busy machine too."""


def assert_gone(*pids: str) -> None:
    """That is: dead, or dying so that nobody can tell the difference any more within LONG."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if process.status() != psutil.STATUS_ZOMBIE:
                process.wait(LONG)


def test_output_errors_and_exit_code_come_apart() -> None:
    done = run(shell("echo out; echo bad >&2; exit 3"), timeout=LONG)
    assert (done.ended, done.code, done.output, done.errors) == ("exit", 3, "out\n", "bad\n")
    assert done.last_words == "bad"


def test_merged_output_is_heard_as_it_comes() -> None:
    pieces: list[str] = []
    done = run(shell("echo one; echo two >&2"), timeout=LONG, merge=True, on_output=pieces.append)
    assert done.output == "".join(pieces) == "one\ntwo\n"
    assert done.last_words == "two"


def test_much_output_is_not_lost() -> None:
    done = run([sys.executable, "-c", "print('x' * 3_000_000)"], timeout=LONG)
    assert len(done.output) == 3_000_001


def test_time_and_silence_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = shell("echo $$ > pid; sleep 600 & echo $! >> pid; echo started; wait")
    monkeypatch.chdir(tmp_path)
    for limits, ended in (({"timeout": START}, "time-out"), ({"timeout": LONG, "silence": START}, "silence")):
        done = run(slow, **limits)  # type: ignore[arg-type]
        assert done.ended == ended
        assert done.output == "started\n"
        assert_gone(*(tmp_path / "pid").read_text().split())


def test_a_tool_that_does_not_listen_to_sigterm_is_killed(tmp_path: Path) -> None:
    done = run(shell("trap '' TERM; echo ready; while :; do sleep 1; done"), timeout=START)
    assert (done.ended, done.code) == ("time-out", -signal.SIGKILL)


def test_a_child_that_keeps_the_pipes_does_not_keep_us() -> None:
    done = run(shell("sleep 600 & echo done"), timeout=LONG)
    assert (done.ended, done.output) == ("exit", "done\n")
    assert done.seconds < LONG


def test_an_interrupt_ends_the_tool(tmp_path: Path) -> None:
    def interrupt(_: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(shell(f"echo $$ > {tmp_path}/pid; echo started; sleep 600"), timeout=LONG, on_output=interrupt)
    assert_gone((tmp_path / "pid").read_text())


def test_a_tool_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        run(["/nowhere/tool"], timeout=LONG)
