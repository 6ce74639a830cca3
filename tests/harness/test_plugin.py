"""The pytest plugin as a user meets it: options, errors in one line, verdicts, and a bench that is always closed."""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from hil.history import quarantine
from hil.history.database import open_history
from hil.history.place import parse
from hil.history.questions import trend
from hil.report.results import lines

RIG = Path(__file__).parents[2] / "rigs" / "virtual.toml"


def run(folder: Path, *options: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder of its own, with `text` as its only test file."""
    if text:
        (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=500, env={**os.environ, **environment}, check=False
    )


def on_virtual_board(folder: Path) -> list[str]:
    return [f"--rig={RIG}", "--board=esp32-a", f"--artifacts={folder / 'artifacts'}"]


def test_help_explains_the_options(tmp_path: Path) -> None:
    words = run(tmp_path, "--help").stdout
    for option in ("--rig", "--board", "--artifacts"):
        assert option in words
    assert "needs(*what)" in run(tmp_path, "--markers").stdout


def test_an_unrelated_run_loads_nothing_of_weight(tmp_path: Path) -> None:
    text = (
        "import sys\n"
        "def test_nothing():\n"
        "    loaded = [m for m in sys.modules if m.split('.')[0] in ('pydantic', 'serial', 'paho', 'cryptography')]\n"
        "    assert not loaded\n"
        "    plugin = ['hil.plugin', 'hil.plugin_markers', 'hil.plugin_options', 'hil.plugin_summary']\n"
        "    ours = ['hil', *plugin, 'hil.report', 'hil.report.verdicts']\n"
        "    assert sorted(m for m in sys.modules if m.startswith('hil')) == ours\n"
    )
    done = run(tmp_path, text=text)
    assert done.returncode == 0, done.stdout
    assert "hil" not in done.stdout.split("test session starts", 1)[1].split("collected", 1)[1]


def test_a_file_that_cannot_be_collected_is_pytests_own_affair(tmp_path: Path) -> None:
    done = run(tmp_path, text="import nothing_of_that_name\n")
    assert done.returncode == pytest.ExitCode.INTERRUPTED, done.stdout + done.stderr
    assert "1 error" in done.stdout


def test_fixtures_of_the_same_names_are_left_alone(tmp_path: Path) -> None:
    text = (
        "import pytest\n"
        "@pytest.fixture\n"
        "def board(): return 'chess'\n"
        "@pytest.fixture\n"
        "def timeline(board): return [board]\n"
        "def test_it(board, timeline, request):\n"
        "    assert (board, timeline) == ('chess', ['chess'])\n"
        "    assert request.node.get_closest_marker('timeout') is None\n"
    )
    done = run(tmp_path, text=text, HIL_RIG="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_faulty_rig_is_told_in_one_line(tmp_path: Path) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text('name = "x"\n[boards.a]\nprot = "/dev/x"\n')
    done = run(tmp_path, f"--rig={rig}", text="def test_a(board): pass\n")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "boards.a.prot: found a key that is not known; did you mean 'port'?" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_missing_rig_says_how_to_name_one(tmp_path: Path) -> None:
    done = run(tmp_path, text="def test_a(board): pass\n", HIL_RIG="")
    assert "say --rig FILE or set HIL_RIG" in done.stderr


def test_an_unknown_board_lists_those_there_are(tmp_path: Path) -> None:
    done = run(tmp_path, f"--rig={RIG}", "--board=nobody", text="def test_a(board): pass\n")
    assert "found no board 'nobody'; the rig has esp32-a" in done.stderr


BOARD_TEST = """
import time

def test_fails(online_board, timeline, finding):
    finding("it has a serial number")
    assert timeline is None

def test_says_why_it_does_not_apply(board):
    pass

import pytest

@pytest.fixture
def fit(board):
    assert board.name == "another"

@pytest.fixture
def relay(board):
    raise OSError("no such relay")

def test_falls_short_before_it_begins(fit):
    pass

def test_is_let_down_by_the_bench(relay):
    pass

from hil.history import quarantine
from hil.history.database import open_history
from hil.history.place import parse
from hil.history.questions import trend
from hil.report.results import lines
test_says_why_it_does_not_apply = pytest.mark.needs("broker:telepathy")(test_says_why_it_does_not_apply)
"""


def test_verdicts_findings_and_the_timeline_of_a_failure(tmp_path: Path) -> None:
    history = listed_in_quarantine(tmp_path, "test_fails", datetime.date(2020, 1, 31))
    done = run(tmp_path, *on_virtual_board(tmp_path), history, text=BOARD_TEST)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "board by scenario" in done.stdout
    assert re.search(r"test_fails +FAIL", done.stdout)
    assert re.search(r"test_says_why_it_does_not_apply +n/a", done.stdout)
    assert re.search(r"test_falls_short_before_it_begins +FAIL", done.stdout)
    assert re.search(r"test_is_let_down_by_the_bench +ERROR", done.stdout)
    assert "broker cannot do telepathy" in done.stdout
    assert "it has a serial number" in done.stdout
    section = done.stdout.split("timeline of esp32-a", 1)[1]
    for seen in ("power.on", "gateway.connect", "monitor.message", "connection "):
        assert seen in section
    left = tmp_path / "artifacts"
    assert (left / "timeline.jsonl").stat().st_size > 0
    assert (left / "esp32-a.console.log").stat().st_size > 0
    assert "PRIVATE KEY-----\n" not in (left / "timeline.jsonl").read_text()
    assert (
        done.stdout.count("its quarantine expired on 2020-01-31 (why it was: issue 17)") >= 2
    )  # there, and at the end
    with open_history(parse("history.sqlite", "--history", tmp_path)) as kept, kept.reading() as connection:
        (found,) = trend(connection, "test_fails", "esp32-a")
        (point,) = found.points
        assert (point.outcome, point.quarantined, point.run.ended is not None) == ("FAIL", False, True)
        assert "assert" in point.reason
        assert point.firmware.startswith("1.0.0 (")
        assert {"time_to_online", "flash_rate", "provision_time"} <= point.measured.keys()
        assert point.remarks == [("finding", "it has a serial number")]
        (found,) = trend(connection, "test_falls_short_before_it_begins", "esp32-a")
        assert [(p.outcome, p.firmware) for p in found.points] == [("FAIL", point.firmware)]
        (found,) = trend(connection, "test_is_let_down_by_the_bench", "esp32-a")
        assert [p.outcome for p in found.points] == ["ERROR"]


WARNS = """
import pathlib, time
from hil.bench import Bench

said = Bench.diagnosis

def diagnosis(*args, **more):
    pathlib.Path("diagnosed").write_text(str(time.monotonic()))
    return said(*args, **more)

Bench.diagnosis = diagnosis

def test_is_not_quite_right(board, warn):
    warn("it stutters")

def test_is_right(board, finding):
    finding("it has four wheels")

def test_may_fail(board):
    assert "a wheel" == "four wheels"
"""


def listed_in_quarantine(folder: Path, scenario: str, until: datetime.date) -> str:
    """The option for a history in which a scenario may fail until a day."""
    place = parse("history.sqlite", "--history", folder)
    with open_history(place) as history, history.writing() as connection:
        quarantine.put(connection, scenario, "esp32-a", until, "issue 17")
    return f"--history={place.shown}"


def test_a_warning_is_a_verdict_of_its_own(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    until = datetime.date.today() + datetime.timedelta(days=1)  # tomorrow: this may run over midnight
    history = listed_in_quarantine(tmp_path, "test_may_fail", until)
    done = run(tmp_path, *on_virtual_board(tmp_path), f"--junitxml={report}", history, text=WARNS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"test_is_not_quite_right +WARN", done.stdout)
    assert re.search(r"test_is_right +pass", done.stdout)
    assert "1 warned" in done.stdout
    assert "1 passed" in done.stdout
    assert "esp32-a: test_is_not_quite_right: it stutters" in done.stdout
    assert "esp32-a: it has four wheels" in done.stdout
    left = tmp_path / "artifacts"
    for file in (report, left / "junit.xml"):
        assert re.findall(r'<property name="hil.warning" value="([^"]*)"', file.read_text()) == ["it stutters"]
    told = json.loads((left / "summary.json").read_text())
    assert [(t["test"].split("::")[1], t["verdict"]) for t in told["tests"]] == [
        ("test_is_not_quite_right[esp32-a]", "WARN"),
        ("test_is_right[esp32-a]", "pass"),
        ("test_may_fail[esp32-a]", "quarantined"),
    ]
    failed = [one for one in lines(left / "results.jsonl") if one["outcome"] == "failed"]
    assert [one["ended"] <= float((tmp_path / "diagnosed").read_text()) for one in failed] == [True]
    words = f"quarantined until {until}: issue 17"
    assert f"  esp32-a: test_may_fail: {words}" in done.stdout
    assert "1 quarantined" in done.stdout
    for file in (report, left / "junit.xml"):
        assert re.search(f'<skipped [^>]*"{words}"', file.read_text())
    assert told["boards"][0]["firmware"][0]["version"]
    assert told["boards"][0]["credentials"][0]["subject"] == "CN=esp32-a"
    for form in ("report.html", "summary.json", "junit.xml", "summary.md"):
        assert f"report: {left / form}" in done.stdout


HANGS = """
from pathlib import Path

def test_hangs(online_board, timeline):
    Path("hangs").touch()
    timeline.never(lambda event: False, seconds=160)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_the_bench_closed(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "test_it.py").write_text(HANGS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *on_virtual_board(tmp_path), str(tmp_path)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    children: list[psutil.Process] = []
    try:
        waiter = psutil.Process(process.pid)
        for _ in range(3000):
            if (tmp_path / "hangs").exists() or process.poll() is not None:
                break
            try:
                waiter.wait(0.05)
            except psutil.TimeoutExpired:
                continue
        assert (tmp_path / "hangs").exists(), process.stdout.read() if process.stdout else ""
        children = waiter.children(recursive=True)
        assert children
        process.send_signal(number)
        output, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode in (2, 143), output
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive, alive
    events = (tmp_path / "artifacts" / "timeline.jsonl").read_text()
    assert events.rfind('"off"') > events.rfind('"on"'), "the board was left with power"


def test_a_test_that_hangs_is_ended_and_the_board_switched_off(tmp_path: Path) -> None:
    limited = HANGS.replace("def test", "import pytest\n@pytest.mark.timeout(2, func_only=True)\ndef test")
    done = run(tmp_path, *on_virtual_board(tmp_path), text=limited)
    assert "Timeout" in done.stdout
    events = (tmp_path / "artifacts" / "timeline.jsonl").read_text()
    assert events.rfind('"off"') > events.rfind('"on"')
