"""A whole night on a virtual board: its runner is killed in the middle, and it is gone on with."""

from __future__ import annotations

import datetime
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hil import run_folder
from hil.nightly import journal, part
from hil.nightly.outcome import FLAKY_ONLY
from hil.nightly.plan import now

# Nothing is provisioned: each part writes to its own copy of the virtual board, and that takes longest.
CONTRACT = """
name = "night"
retry = { kind = "constant", first = 1.0 }
provision = { method = "none" }
[firmware]
images = [
  { offset = 0x1000, file = "bootloader.bin" },
  { offset = 0x8000, file = "partition-table.bin" },
  { offset = 0x10000, file = "firmware.bin" },
]
[mqtt]
client_id = "{board}"
keep_alive = 60
"""

RIG = """
name = "night"
[boards.kit-1]
virtual = "esp32"
speed = 400
contract = "contract.toml"
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
def test_is_well(board):
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

LIMIT = 300.0
"""Seconds for what happens when it happens."""

# The first of these tests waits for the whole night, some twenty processes one after the other.
pytestmark = pytest.mark.timeout(900)


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


def results_in(folder: Path) -> str:
    """The results that are on disk."""
    return "".join(path.read_text() for path in folder.rglob("results.jsonl"))


def wait_until(true: object, limit: float = LIMIT) -> None:
    end = time.monotonic() + limit
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


EXAMPLES = Path(__file__).parents[2] / "docs" / "lab-runner"


def example(name: str) -> Any:
    """An example for CI. BaseLoader: 'on' is a word there, and no truth."""
    return yaml.load((EXAMPLES / name).read_text(), Loader=yaml.BaseLoader)


@dataclass
class Lab:
    """A runner's host in `folder`, where `hil` is on the PATH and takes `more` options."""

    folder: Path
    more: str

    @property
    def ran(self) -> list[str]:
        file = self.folder / "ran.txt"
        return file.read_text().split() if file.exists() else []

    @property
    def night(self) -> Path:
        (found,) = (self.folder / "artifacts").glob("nightly-*")
        return found

    def start(self, script: str) -> subprocess.Popen[str]:
        """As GitHub runs a step, and GitLab's shell executor a job. The hours of the night are still to come."""
        hour = datetime.datetime.now() + datetime.timedelta(hours=1)
        for said, then in (("06:00", hour), ("07:00", hour + datetime.timedelta(hours=1))):
            script = script.replace(said, then.strftime("%H:%M"))
        told = {name: str(self.folder / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
        told |= {"GITHUB_SHA": "cafe" * 10, "CI_COMMIT_SHA": "cafe" * 10, "MORE": self.more}
        told |= {"RIG": str(self.folder / "rig.toml"), "NIGHTS": str(self.folder / "artifacts")}
        return subprocess.Popen(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", **told},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script: str, code: int = 0) -> str:
        process = self.start(script)
        output, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == code, output
        return output


def step(name: str) -> str:
    """The script of a step of GitHub's job."""
    (script,) = [s["run"] for s in example("github-actions.yml")["jobs"]["bench"]["steps"] if s.get("name") == name]
    return str(script)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """With a night that the workflow for GitHub began, whose runner was killed, and that the same step went on with."""
    folder = tmp_path_factory.mktemp("lab")
    more = "--policy nightly.toml --history history.sqlite --firmware-version 1.4.2 --notify told.sh"
    files = {
        **{"rig.toml": RIG, "contract.toml": CONTRACT, "test_it.py": TESTS},
        "nightly.toml": '[[retry]]\ntimes = 1\nscenarios = ["is moody"]\n',
        "bin/hil": f'#!/bin/sh\nexec {sys.executable} -m hil.cli "$@" $MORE {folder}/test_it.py\n',
        "bin/told.sh": f"#!/bin/sh\ncat > {folder}/told.txt\n",
    }
    (folder / "bin").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    image = [sys.executable, "-m", "hil.virtual", "image", "--chip", "esp32", "--out", str(folder / "build")]
    subprocess.run(image, check=True, capture_output=True, timeout=LIMIT)

    found = Lab(folder, more)
    first = found.start(step("Night"))
    # What a worker has found is told to its controller, which writes it down: a moment later, perhaps.
    wait_until(lambda: first.poll() is not None or ("lasts" in found.ran and "test_is_moody" in results_in(folder)))
    assert first.poll() is None, first.communicate()
    os.kill(journal.read(found.night)[0]["pid"], signal.SIGKILL)
    first.communicate(timeout=LIMIT)
    wait_until(lambda: not processes_of(folder))
    (folder / "second.txt").write_text(found.run(step("Night"), code=FLAKY_ONLY))
    return found


def test_a_night_goes_on_after_its_runner_was_killed_and_repeats_nothing(lab: Lab) -> None:
    assert Counter(lab.ran) == {"well": 1, "moody": 2, "lasts": 2, "last": 1}
    parts = [path.name for path in run_folder.parts_of(lab.night)]
    assert parts == ["01-flash", "02-scenarios", "03-scenarios", "04-again"]
    whats = [record["what"] for record in journal.read(lab.night)]
    assert (whats.count("night"), whats.count("resumed"), whats[-1]) == (1, 1, "end")


def test_its_summary_and_reports_are_those_of_the_whole_night(lab: Lab) -> None:
    screen = (lab.folder / "told.txt").read_text()
    assert screen == (lab.night / "night.txt").read_text()
    assert (lab.folder / "second.txt").read_text().endswith(screen)
    assert screen.startswith("FLAKY: night: 1 flaky, 4 pass\n")
    assert "firmware 1.4.2 cafecafecafe" in screen
    assert "kit-1: is moody: failed 1 of 2 times: AssertionError: not today" in screen
    told = json.loads((lab.night / "summary.json").read_text())
    assert {test["scenario"]: test["verdict"] for test in told["tests"] if test["verdict"] != "retried"} == {
        **{"takes its firmware and its credentials": "pass", "is well": "pass", "is moody": "flaky"},
        **{"lasts": "pass", "comes last": "pass"},
    }
    assert told["events"] > 20
    assert told["boards"][0]["firmware"][0]["sha256"]


def test_in_the_history_it_is_one_run(lab: Lab) -> None:
    with sqlite3.connect(lab.folder / "history.sqlite") as history:
        (run,) = history.execute("select artifacts from runs")
        assert run == (str(lab.night),)
        asked = "select title, outcome from results join scenarios on scenario_id = scenarios.id"
        outcomes = dict(history.execute(asked))
        assert history.execute("select count(*) from boards").fetchone() == (1,)
        assert history.execute("select version, revision from firmware").fetchall() == [("1.4.2", "cafe" * 10)]
    assert outcomes["is moody"] == "flaky"
    assert Counter(outcomes.values()) == {"pass": 4, "flaky": 1}


def test_what_the_workflows_do_with_a_night(lab: Lab) -> None:
    """GitHub's next steps; and what GitLab's job does after the same command."""
    lab.run(step("Find the reports"))
    (output,) = (lab.folder / "GITHUB_OUTPUT").read_text().splitlines()
    assert output == f"folder={lab.night}"
    patterns = example("github-actions.yml")["jobs"]["bench"]["steps"][-1]["with"]["path"].split("\n")
    for pattern in filter(None, patterns):
        assert list(lab.night.glob(pattern.rpartition("/")[2])), pattern
    assert (lab.folder / "GITHUB_STEP_SUMMARY").read_text().startswith("## hil nightly: FLAKY")

    job = example("gitlab-ci.yml")["nightly"]
    assert job["allow_failure"]["exit_codes"] == [str(FLAKY_ONLY)]
    lab.run("\n".join(job["after_script"]))
    assert (lab.folder / job["artifacts"]["reports"]["junit"]).exists()
    assert (lab.folder / "night" / "night.txt").exists()
    for script in (step("Forget the last night"), "\n".join(job["before_script"])):
        (lab.folder / "artifacts" / "last-night").unlink(missing_ok=True)
        (lab.folder / "artifacts" / "last-night").symlink_to(lab.night.name)
        lab.run(script)
        assert not (lab.folder / "artifacts" / "last-night").is_symlink()
    assert (lab.night / "report.html").exists()


def test_a_part_is_ended_with_all_its_workers_when_time_is_up(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import time\ndef test_sleeps(): time.sleep(600)\n")
    ended = part.run(tmp_path / "part", ["-n2", "-p", "no:cacheprovider", str(tmp_path)], until=now() + 1.0)
    assert ended.how == "deadline"
    assert not processes_of(tmp_path)
