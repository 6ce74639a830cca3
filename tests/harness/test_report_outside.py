"""What lies outside of tests has a picture, too: each event of a run is in one at least."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from run_folders import RunFolder, failing_run, whole_life

from hil.lanes import BAD, GOOD
from hil.report import files, runs
from hil.report.html import as_html
from hil.report.html.chunks import chunk, chunk_outside
from hil.report.outside import outside
from hil.timeline import where


def in_pictures(run: runs.Run) -> Counter[int]:
    """How many pictures each event of the run is in."""
    found = [event.sequence for result in run.results for event in run.events_of(result)]
    return Counter([*found, *(event.sequence for one in outside(run) for event in one.events)])


@pytest.mark.parametrize("worker", [None, "gw3"])
def test_each_event_is_in_a_picture(tmp_path: Path, worker: str | None) -> None:
    run = runs.read(whole_life(tmp_path / "run", worker))
    shown = in_pictures(run)
    assert sorted(shown) == list(range(len(run.parts[0].events)))
    first, second = outside(run)
    assert (first.board, second.board) == ("esp32-a", "esp32c3-a")
    assert [e["text"] for e in first.events if e.get("text")] == ["between", "between"]
    assert not [e for one in (first, second) for e in one.events if where("broker", "log")(e)]
    for one in (first, second):
        assert [e.kind for e in one.events if e.board is None] == ["started", "stopped", "ended"]
        assert {e.board for e in one.events} == {None, one.board}


def test_a_bench_without_boards_has_one_too(tmp_path: Path) -> None:
    idle = RunFolder(tmp_path / "run", "controller")
    idle.timeline.record("broker", "started", None, kind="mosquitto", version="2")
    idle.close()
    run = runs.read(failing_run(tmp_path / "run", "gw0"))
    assert ("controller", "", 1) in [(one.part.name, one.board, len(one.events)) for one in outside(run)]
    page = as_html(run)
    row = page.split('<tbody class="outside">')[1].split("</tbody>")[0]
    assert "controller: 1 event<" in row


def test_the_picture_of_it(tmp_path: Path) -> None:
    run = runs.read(whole_life(tmp_path / "run"))
    first, second = map(chunk_outside, outside(run))
    lanes: list[str] = first["lanes"]
    bars: list[tuple[str, Any, int, str]] = [
        (lanes[row], end, tone, label) for row, _, end, tone, label, _ in first["spans"]
    ]
    assert ("test", GOOD, "test_it[esp32-a]") in [(name, tone, label) for name, _, tone, label in bars]
    assert ("power", None, "on") in [(name, end, label) for name, end, _, label in bars]
    flashed = [bar for bar in second["spans"] if bar[4] == "flashing"]
    assert [bar[2] is not None for bar in flashed] == [True], "from before its test to after it"
    assert first["failed"] == first["length"] > 0, "the moment at which the run died"
    assert ["guardian", "ended", lanes.index("test"), BAD] in [list(kind) for kind in first["kinds"]]
    assert first.keys() == chunk(run, run.results[0]).keys()


def test_what_a_killed_run_was_doing_is_in_the_test_that_it_did_not_finish(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.test("test_good")
    began = time.monotonic()
    run.timeline.record("power", "on", "esp32-a", switch="virtual")
    run.test("test_cut_short", {"when": "setup", "since": began})
    run.timeline.record("console", "line", "esp32-a", text="the last words")
    run.timeline.record("guardian", "ended", None, why="killed", pid=1)
    read = runs.read(run.close())
    (cut,) = [result for result in read.results if result.verdict == "unfinished"]
    assert [event.kind for event in read.events_of(cut)] == ["on", "line", "ended"]
    assert not list(outside(read))
    told = chunk(read, cut)
    assert told["length"] == told["failed"] == sum(told["t"])
    page = as_html(read)
    assert "<title>… virtual" in page
    assert re.search(r"unfinished 1<.*>of 2<", page)
    assert "unfinished" in files.FORMS["terminal"].render(read)


def test_a_connection_that_ends_in_a_test_is_not_shown_as_one_that_lasts(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    own = {"connection": 1}
    run.timeline.record("gateway", "accept", "esp32-a", **own, peer="127.0.0.1:5")
    began = time.monotonic()
    run.timeline.record("gateway", "close", "esp32-a", **own, by="device", how="reset", seconds=1.0)
    run.timeline.record("gateway", "accept", "esp32-a", connection=2, peer="127.0.0.1:5")
    run.test("test_it", {"when": "setup", "since": began}, {}, {"when": "teardown"})
    (told,) = map(chunk_outside, outside(runs.read(run.close())))
    bars = [
        (label, end is None)
        for row, _, end, _, label, part in told["spans"]
        if told["lanes"][row] == "TLS" and not part
    ]
    assert bars == [("connection 1: ended before any TLS was spoken (by device: reset)", False)]


def test_a_run_that_is_all_tests_has_none(tmp_path: Path) -> None:
    folder = failing_run(tmp_path / "run")
    (folder / "results.jsonl").unlink()
    run = runs.read(folder)
    assert run.results
    page = as_html(run)
    assert [one.board for one in outside(run)] == ["esp32-a"], "what came before its first test"
    assert page.count('class="outside"') == 1
