"""The program that kills runs: its moments are as the seed says, and nothing that a dead run leaves escapes it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kills.judge import by_diaries
from tests.kills.moments import TRIGGERS, Moment, moments
from tests.kills.standing import Switched
from tests.kills.victim import MARK, Victim

MOMENT = Moment("pytest", "", 1, 0.0, "kill")


def victim(folder: Path, process: subprocess.Popen[bytes]) -> Victim:
    return Victim(7, MOMENT, folder, process, time.monotonic())


@pytest.fixture
def dead(tmp_path: Path) -> Victim:
    """A run that has ended, with a folder of its own."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait(60)
    return victim(tmp_path, process)


def test_the_same_seed_gives_the_same_moments() -> None:
    assert list(moments(5, 50)) == list(moments(5, 50)) != list(moments(6, 50))


def test_two_hundred_moments_leave_nothing_out() -> None:
    chosen = list(moments(1, 200))

    assert {moment.trigger for moment in chosen} == set(TRIGGERS)
    assert {moment.how for moment in chosen} == {"kill", "kill the group", "terminate", "interrupt"}
    assert all(0 <= moment.delay <= TRIGGERS[moment.trigger] for moment in chosen)


def test_whatever_a_run_started_is_found_until_it_is_gone(tmp_path: Path) -> None:
    # A grandchild in a session of its own, whose parent is gone.
    orphan = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"
    process = subprocess.Popen([sys.executable, "-c", orphan], env={MARK: tmp_path.name, "PATH": "/usr/bin:/bin"})
    process.wait(60)
    run = victim(tmp_path, process)

    (found,) = run.processes()
    assert run.processes()[found].startswith("sleep 600")

    subprocess.run(["kill", "-9", str(found)], check=True)
    deadline = time.monotonic() + 60
    while run.processes() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not run.processes()


@pytest.mark.parametrize(
    ("left", "torn"), [("", []), ('{"a": 1}\n', []), ('{"a": 1}\n{"a"', ["it"]), ('{"a": 1}\n{"a"\n{}\n', ["it"])]
)
def test_a_line_that_is_cut_off_is_noticed(dead: Victim, left: str, torn: list[str]) -> None:
    timeline = dead.folder / "runs" / "1" / "timeline.jsonl"
    timeline.parent.mkdir(parents=True)
    timeline.write_text(left)

    assert dead.torn() == ["runs/1/timeline.jsonl" for _ in torn]


def order(at: float, on: bool, run: str = "0007") -> Switched:
    return Switched(at, on, run)


@pytest.mark.parametrize(
    ("diary", "safe", "said"),
    [
        ([], 0.0, ""),
        ([order(9, True), order(10.5, False)], 0.5, ""),
        ([order(8, True, "0006"), order(9, True), order(10.5, False), order(10.6, True, "0008")], 0.5, ""),
        ([order(9, True)], 0.0, "last switched on"),
        ([order(9, False), order(11, True)], 1.0, "last switched on"),
        ([order(9, True), order(10.1, True, "0008"), order(10.5, False)], 0.5, "by another run in between"),
    ],
)
def test_the_diary_of_a_switch_tells_how_a_run_left_it(diary: list[Switched], safe: float, said: str) -> None:
    seconds, faults = by_diaries({"kit-off": diary}, "0007", 10.0, ended_well=False)

    assert seconds == pytest.approx(max(0.0, safe))
    assert len(faults) == bool(said)
    assert said in "".join(faults)


def test_a_board_that_is_to_be_left_on_is_judged_by_that() -> None:
    diaries = {"kit-on": [order(9, True), order(9.5, False)]}

    assert "last switched off" in by_diaries(diaries, "0007", 10.0, ended_well=False)[1][0]
    assert by_diaries(diaries, "0007", 10.0, ended_well=True)[1] == []
