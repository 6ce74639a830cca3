"""A whole night on a virtual board: its runner is killed in the middle, and it is gone on with."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from hil import run_folder
from hil.nightly import journal, part
from hil.nightly.plan import now

CONTRACT = Path(__file__).parents[2] / "rigs" / "contracts" / "reference.toml"

RIG = f"""
name = "night"
[boards.kit-1]
virtual = "esp32"
speed = 400
contract = "{CONTRACT}"
wifi = {{ ssid = "x" }}
"""

TESTS = """
import time
from pathlib import Path
import pytest

def times(name):
    with (Path(__file__).parent / "ran.txt").open("a") as file:
        file.write(name + "\\n")
    return (Path(__file__).parent / "ran.txt").read_text().split().count(name)

@pytest.mark.tls
@pytest.mark.scenario("is well")
def test_is_well(online_board):
    times("well")

@pytest.mark.scenario("is moody")
def test_is_moody(board):
    assert times("moody") > 1, "not today"

@pytest.mark.scenario("lasts")
def test_lasts(board):
    while times("lasts") == 1:
        time.sleep(600)

@pytest.mark.scenario("comes last")
def test_comes_last(board):
    times("last")
"""

LIMIT = 150.0
"""Seconds for what happens when it happens."""


def processes_of(folder: Path) -> list[str]:
    """Whoever was started for something in this folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = one.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words and f"/{os.getpid()}/" not in str(one):
            found.append(words)
    return found


def wait_until(true: object, limit: float = LIMIT) -> None:
    end = time.monotonic() + limit
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_a_night_goes_on_after_its_runner_was_killed_and_repeats_nothing(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text(RIG)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "nightly.toml").write_text('[[retry]]\ntimes = 1\nscenarios = ["is moody"]\n')
    command = [
        *(sys.executable, "-m", "hil.cli", "nightly", "--rig", "rig.toml", "--policy", "nightly.toml"),
        *("--history", "history.sqlite", "--firmware-version", "1.4.2", "--notify", "cat > told.txt", "test_it.py"),
    ]
    ran = tmp_path / "ran.txt"
    with (tmp_path / "first.txt").open("w") as output:
        first = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output)
        wait_until(lambda: first.poll() is not None or (ran.exists() and "lasts" in ran.read_text().split()))
        assert first.poll() is None, (tmp_path / "first.txt").read_text()
        first.send_signal(signal.SIGKILL)
        first.wait()
    wait_until(lambda: not processes_of(tmp_path))

    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert second.returncode == 5, second.stdout + second.stderr
    assert Counter(ran.read_text().split()) == {"well": 1, "moody": 2, "lasts": 2, "last": 1}
    (night,) = (tmp_path / "artifacts").glob("nightly-*")
    assert [path.name for path in run_folder.parts_of(night)] == [
        "01-flash",
        "02-scenarios",
        "03-scenarios",
        "04-again",
    ]
    whats = [record["what"] for record in journal.read(night)]
    assert (whats.count("night"), whats.count("resumed"), whats[-1]) == (1, 1, "end")

    screen = (tmp_path / "told.txt").read_text()
    assert screen == (night / "night.txt").read_text()
    assert second.stdout.endswith(screen)
    assert screen.startswith("FLAKY: night: 1 flaky, 4 pass\n")
    assert "firmware 1.4.2" in screen
    assert "kit-1: is moody: failed 1 of 2 times: AssertionError: not today" in screen
    told = json.loads((night / "summary.json").read_text())
    assert {test["scenario"]: test["verdict"] for test in told["tests"] if test["verdict"] != "retried"} == {
        **{"takes its firmware and its credentials": "pass", "is well": "pass", "is moody": "flaky"},
        **{"lasts": "pass", "comes last": "pass"},
    }
    assert told["events"] > 100
    assert told["boards"][0]["firmware"][0]["sha256"]

    with sqlite3.connect(tmp_path / "history.sqlite") as history:
        (run,) = history.execute("select artifacts from runs")
        assert run == (str(night),)
        outcomes = dict(
            history.execute("select title, outcome from results join scenarios on scenario_id = scenarios.id")
        )
        assert history.execute("select count(*) from boards").fetchone() == (1,)
    assert outcomes["is moody"] == "flaky"
    assert Counter(outcomes.values()) == {"pass": 4, "flaky": 1}


def test_a_part_is_ended_with_all_its_workers_when_time_is_up(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import time\ndef test_sleeps(): time.sleep(600)\n")
    ended = part.run(tmp_path / "part", ["-n2", "-p", "no:cacheprovider", str(tmp_path)], until=now() + 1.0)
    assert ended.how == "deadline"
    assert not processes_of(tmp_path)
