"""Runs with several workers: as many as boards, one folder, one timeline, one summary, and refusals in one line."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil import rig as rigs
from hil.diagnose import boards
from hil.side_by_side import PARENT, auto_workers, is_left_alone
from hil.timeline import load, load_by_worker, where
from tests.harness.test_plugin import RIG, run

CONTRACT = Path(__file__).parents[2] / "rigs" / "contracts" / "reference.toml"


def rig_file(folder: Path, *, before: str = "", **boards: str) -> Path:
    """A rig whose boards are virtual, unless their words say otherwise."""
    text = f'name = "two"\n{before}\n'
    for name, words in boards.items():
        words = words or 'virtual = "esp32"\nspeed = 40'
        text += f'[boards.{name}]\ncontract = "{CONTRACT}"\nwifi = {{ ssid = "x" }}\n{words}\n'
    file = folder / "rig.toml"
    file.write_text(text)
    return file


TESTS = """
import pytest

def test_without_a_board():
    pass

def test_is_online(online_board, bench, finding, warn):
    finding(f"{len(bench.boards)} board opened")
    warn("it stutters")

def test_fails(online_board):
    assert online_board.name == "esp32-b"
"""


def test_each_board_has_a_worker_and_all_of_it_is_one_run(tmp_path: Path) -> None:
    """The workers share one broker here; in all other runs of several workers each has its own."""
    rig = rig_file(tmp_path, before='[broker]\nkind = "auto"\nshared = true', **{"esp32-a": "", "esp32-b": ""})
    done = run(tmp_path, f"--rig={rig}", "-n", "auto", text=TESTS)
    assert done.returncode == 1, done.stdout + done.stderr
    (folder,) = (tmp_path / "artifacts").iterdir()
    for words in (r"test_is_online +WARN", r"test_fails +(FAIL|pass) [\d.]+ s +(FAIL|pass)", rf"artifacts: {folder}\n"):
        assert re.search(words, done.stdout), done.stdout
    summary = done.stdout.split("board by scenario")[1]
    told = re.findall(r"^  (.+): 1 board opened", summary, re.MULTILINE)  # one line, where both say the same
    assert {board for boards in told for board in boards.split(", ")} == {"esp32-a", "esp32-b"}
    assert "  esp32-a, esp32-b: test_is_online: it stutters\n" in summary
    assert "2 warned" in done.stdout
    assert f"timeline of esp32-a ({folder / 'timeline.jsonl'})" in done.stdout
    for name in ("esp32-a", "esp32-b"):
        assert "app: reference firmware" in (folder / f"{name}.console.log").read_text()
        assert "write-flash" in (folder / f"{name}.esptool.log").read_text()

    reported = json.loads((folder / "summary.json").read_text())
    assert {(test["test"].split("::")[1], test["worker"] is not None) for test in reported["tests"]} == {
        (f"{name}[{board}]", True) for name in ("test_is_online", "test_fails") for board in ("esp32-a", "esp32-b")
    }
    assert [len(test["diagnoses"]) > 0 for test in reported["tests"] if test["verdict"] == "FAIL"] == [True]

    seen = load_by_worker(folder / "timeline.jsonl")
    sharer = seen.pop("controller")
    assert [e["expected"] for e in sharer if where("broker", "stopped")(e)] == [True]
    assert len(re.findall(r"(\w+) at 127\.0\.0\.1:\d+", summary.split("broker: ")[1].split("\n")[0])) == 1
    assert sorted(boards(events) for events in seen.values()) == [["esp32-a"], ["esp32-b"]]
    for events in seen.values():
        assert {e.board for e in events if where("broker", "log")(e)} <= set(boards(events))
    events = load(folder / "timeline.jsonl")
    assert [event.sequence for event in events] == list(range(len(events)))
    assert [event.monotonic for event in events] == sorted(event.monotonic for event in events)
    shown = re.findall(r"^ {5}#(\d+) +[\d.]+ s  (\S+)", done.stdout, re.MULTILINE)
    assert {f"{events[int(number)].source}.{events[int(number)].kind}" == what for number, what in shown} == {True}
    assert {events[int(number)].board for number, _ in shown} == {"esp32-a"}
    starts = [event.board for event in events if where("test", "start")(event)]
    assert sorted(map(str, starts)) == ["esp32-a", "esp32-a", "esp32-b", "esp32-b"]


FIXED = "[gateway]\nfirst_port = 21883"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--dist=loadfile",), "found --dist loadfile, which may send tests of board a to several workers"),
        (("--board=nobody",), "found no board 'nobody'; the rig has a, b"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    rig = rig_file(tmp_path, before=FIXED, a="", b="")
    done = run(tmp_path, f"--rig={rig}", "-n2", *options, text="def test_it(board): pass\n")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert line.startswith("ERROR: ")
    assert told in line
    assert "INTERNALERROR" not in done.stdout
    assert not list((tmp_path / "artifacts").iterdir())


def test_auto_is_a_worker_for_each_outlet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    words = 'port = "/dev/serial/by-id/{}"\npower = {{ kind = "ykush", port = 1, serial = "Y1" }}'
    rig = rigs.load(rig_file(tmp_path, a="", b="", c=words.format(1), d=words.format(2)))
    assert auto_workers(lambda: rig, None) == 3
    assert auto_workers(lambda: rig, ["a"]) == 1
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "7")
    assert auto_workers(lambda: rig, None) is None


def test_auto_counts_boards_and_not_processors(tmp_path: Path) -> None:
    rig = rig_file(tmp_path, **dict.fromkeys("abcde", ""))
    done = run(tmp_path, f"--rig={rig}", "-n", "auto", "--board=a", "-v", text="def test_it(): pass\n")
    assert "1 worker [1 item]" in done.stdout, done.stdout
    given = run(tmp_path, f"--rig={rig}", "-n", "auto", "--board=a", "--board=b", "--board=c", "-v")
    assert "3 workers [1 item]" in given.stdout, given.stdout


def test_a_worker_knows_whether_its_controller_lives() -> None:
    def left_alone(**told: object) -> bool:
        config: Any = SimpleNamespace(workerinput=told)
        return is_left_alone(config)

    over = subprocess.Popen(["true"])
    over.wait()
    assert left_alone(**{PARENT: over.pid})
    assert not left_alone(**{PARENT: os.getppid()})
    assert not left_alone()  # started on another host, or no worker at all


def test_the_controller_tells_its_workers_who_it_is(tmp_path: Path) -> None:
    text = f"import os\ndef test_it(request):\n    assert request.config.workerinput[{PARENT!r}] == os.getppid()\n"
    done = run(tmp_path, "-n", "1", f"--rig={RIG}", text=text)
    assert done.returncode == 0, done.stdout
