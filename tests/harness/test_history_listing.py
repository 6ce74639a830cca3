"""The history's answers on terminals of any width, in pipes, and as JSON."""

from __future__ import annotations

import json
import os
import pty
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from histories import BEGIN, DAY, a_run, flattened, lines, past
from rich.cells import cell_len
from rich.text import Text

from hil.cli import main
from hil.history import listing
from hil.history.cells import Cells
from hil.history.database import open_history
from hil.history.keep import BoardFacts, Keeper, RunFacts
from hil.history.place import parse
from hil.history.questions import flaky, regressions
from hil.history.runs import Counts
from hil.history.sheet import Sheet
from hil.history.wording import bars

LONG = (
    "comes back after a power cut of half a second in the middle of a handshake, with 電源 and its-session-still-there"
)
WIDTHS = (40, 80)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A month: with the firmware of the 21st on one scenario fails on both boards; one is flaky, one grows slower."""
    folder = tmp_path_factory.mktemp("month")
    with open_history(parse("h.sqlite", "", folder)) as history:
        for run in range(30):
            wall, sha = BEGIN + run * DAY, f"{1 + run // 10:02x}" * 32
            measured = {"time_to_online": (2 + run / 20, "s"), "heap_least": (150_000.0, "B"), "reconnects": (2.0, "")}
            cells = Cells()
            for line in flattened(
                lines(board, scenario, outcome, wall=wall, sha256=sha, measured=measured, findings=["it has no date"])
                for board in ("esp32-a", "esp32-b")
                for scenario, outcome in (
                    ("comes online", "pass"),
                    (LONG, "FAIL" if run >= 20 else "pass"),
                    ("tries again", "FAIL" if board == "esp32-b" and run % 4 == 1 else "pass"),
                    ("answers", "ERROR" if board == "esp32-b" and run == 29 else "pass"),
                )
            ):
                cells.take(line)
            about = RunFacts(f"key-{run}", "lab", "pi-3", wall, f"/home/pi/bench/artifacts/{run:04}", "hil 0")
            keeper = Keeper(history, about, dict.fromkeys(("esp32-a", "esp32-b"), BoardFacts("esp32")))
            keeper.keep(cells)
            keeper.end(wall + 60)
    return str(folder / "h.sqlite")


def asked(capsys: pytest.CaptureFixture[str], kept: str, *arguments: str) -> str:
    assert main(["history", *arguments, "--history", kept]) in (0, 1)
    return capsys.readouterr().out


QUESTIONS = ([], ["runs"], ["regressions"], ["flaky"], ["drifts"], ["boards"], ["trend"], ["trend", "comes back"])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_every_answer_fits_the_terminal_and_loses_no_word(
    question: list[str], width: int, kept: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sheet, "of_stdout", classmethod(lambda cls: cls(width)))
    told = asked(capsys, kept, *question)
    assert [line for line in told.split("\n") if cell_len(line) > width] == []
    assert not [line for line in told.split("\n") if line != line.rstrip()], "no spaces at the ends"
    if question in ([], ["regressions"], ["trend"], ["trend", "comes back"]):
        assert LONG.replace(" ", "") in "".join(told.split())


def test_what_is_no_terminal_has_each_row_in_one_line(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(capsys, kept)
    assert LONG in told
    assert any(
        line.startswith("      esp32-a, esp32-b  10 of 10 failed, 0 of 20 before  ....") for line in told.split("\n")
    )
    assert asked(capsys, kept, "runs").count("/home/pi/bench/artifacts/") == 30


def test_what_broke_on_several_boards_at_once_stands_once(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(capsys, kept, "regressions")
    assert told.count(LONG) == told.count("broken since") == 1
    assert told.index("broken since") < told.index(LONG) < told.index("esp32-a, esp32-b  10 of 10")


def test_what_began_with_one_firmware_stands_below_it_and_what_is_new_is_said_to_be() -> None:
    def course(board: int, scenario: int, run: int) -> str:
        if board == 1 and scenario == 1 and run == 29:
            return "WARN"
        return "FAIL" if run >= (39 if scenario == 3 else 30) and scenario else "pass"

    lab = past(course, runs=40, boards=2, scenarios=4, firmware=lambda board, run: 2 if run >= 30 else 1)
    told = set_to(None, listing.regressions, lab, regressions(lab), {(0, "does 1"): "no connack"})
    since = [f"broken since {lab.runs[run].name}, with " for run in (39, 30)]
    new = f"  new: {since[0]}the same firmware, 1.2: 1 scenario\n    does 3\n      board-0, board-1  1 of 1"
    old = f"  {since[1]}1.2, good with 1.1: 2 scenarios\n    does 1\n      no connack\n"
    assert told.index(new) < told.index(old)
    rows = [
        f"      board-{board}  10 of 10 failed, 0 of 30 before  {'.' * 29}{mark}{'F' * 10}\n"
        for board, mark in enumerate(".w")
    ]
    assert "".join(rows) in told, "what differs has a line of its own"


def test_boards_of_different_chips_with_one_version_broke_at_once() -> None:
    lab = past(
        lambda board, scenario, run: "FAIL" if run >= 30 else "pass",
        boards=2,
        scenarios=1,
        firmware=lambda board, run: 10 * board + (2 if run >= 30 else 1),
    )
    named = {n: replace(one, hash=f"{n:08x}" * 8, version=f"1.{n % 10}") for n, one in lab.firmware.items()}
    told = set_to(None, listing.regressions, lab, regressions(replace(lab, firmware=named)), {})
    assert told.count("broken since") == 1
    assert ", with 1.2, good with 1.1: 1 scenario\n" in told


def test_where_the_bench_failed_last_night_is_told_before_anything_else(
    kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = asked(capsys, kept)
    part = told.split("Newest run  what went wrong beside the regressions\n")[1].split("\n\n")[0]
    assert part == "  esp32-b  ERROR  answers\n           assert it was online"
    assert "Newest run" not in asked(capsys, kept, "regressions")


def set_to(width: int | None, show: Any, *arguments: Any) -> str:
    stream = StringIO()
    show(Sheet(width, stream), *arguments)
    return stream.getvalue()


def test_what_is_unsure_has_a_line_of_a_table_where_there_is_room() -> None:
    lab = past(lambda b, s, run: "FAIL" if run % 5 == 4 else "pass", runs=40, boards=1, scenarios=1)
    wide, narrow = (set_to(width, listing.regressions, lab, regressions(lab), {}) for width in (120, 60))
    row = next(line for line in wide.split("\n") if "board-0" in line)
    for words in ("does 0", "the same", "1 of 1 failed, 7 of 39 before", "p = 0."):
        assert words in row
    assert "board-0  does 0\n             since " in narrow
    assert "1 of 1 failed, 7 of 39 before" in " ".join(narrow.split())


def test_courses_of_several_boards_stand_run_below_run() -> None:
    lab = past(
        lambda board, s, run: None if board == 1 and run % 2 else "FAIL" if run >= 30 else "pass",
        runs=40,
        boards=2,
        scenarios=1,
    )
    told = set_to(120, listing.regressions, lab, regressions(lab), {})
    assert "." * 30 + "F" * 10 + "\n" in told
    assert " ".join("." * 15 + "F" * 5) + "\n" in told


def test_a_long_list_is_cut_in_the_overview_alone_and_says_so() -> None:
    lab = past(lambda b, s, run: "FAIL" if run % 3 == 1 else "pass", boards=5)
    found = flaky(lab)
    assert len(found) == 25
    told = set_to(80, listing.flaky, found, 12)
    assert told.count("board-") == 12
    assert told.endswith("and 13 more: hil history flaky\n")
    assert set_to(80, listing.flaky, found).count("board-") == 25


def test_runs_of_several_rigs_and_folders_have_them_in_columns() -> None:
    one = Counts(a_run(1), {"pass": 3, "FAIL": 1}, 1.0)
    same = set_to(80, listing.runs, [one, one])
    assert same.startswith("2 runs: rig lab, host host, in /runs\n")
    assert "  FAIL  pass  ended  folder\n" in same
    assert "    1     3  yes    1\n" in same
    assert "rig  host" in set_to(None, listing.runs, [one])


def test_no_width_is_too_small_for_a_line() -> None:
    told = set_to(1, lambda sheet: sheet.line("a word and another of some lengthiness", indent=30, hang=20))
    assert "".join(told.split()) == "awordandanotherofsomelengthiness"
    assert set_to(40, lambda sheet: sheet.table([[Text("x" * 90), "y"]])).count("x") == 90


def test_many_values_are_joined_to_fewer_bars() -> None:
    assert bars([1, 2, 3]) == "▁▄█" or bars([1, 2, 3]) == "▁▅█"
    assert bars([0.0] * 50 + [1.0] * 50, 4) == "▁▁██"
    assert bars([], 4) == ""


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    monkeypatch.setenv("COLUMNS", "57")
    with os.fdopen(master), os.fdopen(slave, "w") as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", terminal)
        assert Sheet.of_stdout().width == 57
        patched.setattr(sys, "stdout", StringIO())
        assert Sheet.of_stdout().width is None


# -- JSON ----------------------------------------------------------------------------------------------------------


def as_json(capsys: pytest.CaptureFixture[str], kept: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked(capsys, kept, *arguments, "--json"))
    assert found["format"] == 1
    return found


def test_each_question_is_answered_as_json(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    runs = as_json(capsys, kept, "runs", "--last", "3")
    assert [one["run"]["key"] for one in runs["runs"]] == ["key-27", "key-28", "key-29"]
    assert runs["runs"][0]["outcomes"] == {"FAIL": 2, "pass": 6}
    assert runs["looked_at"]["last"]["began"] == BEGIN + 29 * DAY
    broke = as_json(capsys, kept, "regressions")["regressions"]
    assert {(one["board"], one["scenario"], one["sure"]) for one in broke if one["kind"] == "broken"} >= {
        ("esp32-a", LONG, True),
        ("esp32-b", LONG, True),
    }
    assert (broke[0]["since"]["key"], broke[0]["good"]["key"]) == ("key-20", "key-19")
    (unsteady,) = as_json(capsys, kept, "flaky")["flaky"]
    assert (unsteady["failed"], unsteady["tries"], unsteady["board"]) == (3, 10, "esp32-b")
    moved = as_json(capsys, kept, "drifts")["drifts"]
    assert {(one["board"], one["name"], one["worse"]) for one in moved} == {
        ("esp32-a", "time_to_online", True),
        ("esp32-b", "time_to_online", True),
    }
    assert len(moved[0]["values"]) == 30
    (alone,) = as_json(capsys, kept, "boards")["boards"]
    assert (alone["board"], alone["alone"], alone["last"]["key"]) == ("esp32-b", 8, "key-29")
    trend = as_json(capsys, kept, "trend", "comes online", "--board", "esp32-a")["trend"]
    assert trend[0]["points"][0]["measured"]["time_to_online"] == {"value": 2.0, "unit": "s"}
    assert as_json(capsys, kept, "trend")["scenarios"] == sorted(("answers", "comes online", LONG, "tries again"))


def test_the_overview_as_json_has_all_answers(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, kept)
    for name in ("regressions", "flaky", "boards", "drifts"):
        assert found[name] == as_json(capsys, kept, name)[name]
    assert [one["run"]["key"] for one in found["runs"]] == ["key-29"]
    assert [(one["outcome"], one["board"], one["scenario"]) for one in found["failed"]] == [
        ("FAIL", "esp32-a", LONG),
        ("FAIL", "esp32-b", LONG),
        ("FAIL", "esp32-b", "tries again"),
        ("ERROR", "esp32-b", "answers"),
    ]
    assert found["failed"][3]["reason"] == "assert it was online"


def test_what_no_json_can_hold_is_null() -> None:
    from hil.history.as_json import document

    told = json.loads(document("drifts", drifts=[{"ratio": float("inf"), "values": (1.0, float("nan"))}]))
    assert told["drifts"] == [{"ratio": None, "values": [1.0, None]}]


def test_json_is_not_offered_where_nothing_is_asked(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["history", "add", str(tmp_path), "--json"])
