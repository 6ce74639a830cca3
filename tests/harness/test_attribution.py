"""Whose a message is that the monitor saw: the one board's that has its topic in its contract, wherever it is shown."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from run_folders import RIG, RunFolder

from hil.attribution import Attribution
from hil.bench import Bench
from hil.report import runs
from hil.report.outside import outside
from hil.timeline import Event
from hil.watch.following import Follower

PROMISED = {
    "a": {
        "will": {"topic": "devices/a/status"},
        "command": {"topic": "all/command", "answer_topic": "devices/a/answer"},
    },
    "b": {
        "will": None,
        "command": {"topic": "all/command", "answer_topic": None},
        "link": {"topics": {"x": {"topic": "b/x"}}},
    },
}


def seen(topic: Any, *, source: str = "monitor", kind: str = "message", board: str | None = None) -> Event:
    return Event(0, 0.0, 0.0, source, kind, board, {"topic": topic, "payload": b"1"})


@pytest.mark.parametrize(
    ("event", "board"),
    [
        (seen("devices/a/status"), "a"),
        (seen("devices/a/answer"), "a"),
        (seen("b/x"), "b"),
        (seen("all/command"), None),
        (seen("devices/c/status"), None),
        (seen(None), None),
        (seen("devices/a/status", source="gateway", kind="publish", board="b"), "b"),
        (seen("devices/a/status", source="broker", kind="log"), None),
    ],
)
def test_a_topic_is_the_board_s_that_alone_promises_it(event: Event, board: str | None) -> None:
    contracts = [Event(0, 0.0, 0.0, "board", "contract", name, data) for name, data in PROMISED.items()]
    assert Attribution(PROMISED).of(event) == board
    assert Attribution.told_by(contracts).of(event) == board


def two_boards(folder: Path, *workers: str | None) -> Path:
    """Both boards' messages, of which each bench's monitor sees all; each board is tested on one bench."""
    for worker in workers:
        run = RunFolder(folder, worker)
        boards = ("esp32-a", "esp32c3-a") if worker is None else ({"gw0": "esp32-a", "gw1": "esp32c3-a"}[worker],)
        for board in boards:
            run.timeline.record("board", "contract", board, **RIG.boards[board].contract.promises())
        for board in boards:
            began = time.monotonic()
            for of in ("esp32-a", "esp32c3-a", "elsewhere"):
                run.timeline.record("monitor", "message", topic=f"devices/{of}/status", payload=b"online")
            run.test(f"test_it[{board}]", {"when": "setup", "since": began}, {}, {"when": "teardown"}, board=board)
        run.close()
    return folder


def topics(events: list[Event]) -> list[str]:
    return [str(event["topic"]).split("/")[1] for event in events if event.kind == "message"]


def test_a_test_s_picture_shows_no_messages_of_other_boards(tmp_path: Path) -> None:
    run = runs.read(two_boards(tmp_path, None))
    for result in run.results:
        assert topics(run.events_of(result)) == [result.board, "elsewhere"]
    assert {one.board: topics(one.events) for one in outside(run)} == {
        "esp32-a": ["esp32-a"],
        "esp32c3-a": ["esp32c3-a"],
    }


def test_what_a_shared_broker_brings_of_other_benches_is_outside_of_all_boards(tmp_path: Path) -> None:
    run = runs.read(two_boards(tmp_path, "gw0", "gw1"))
    for result in run.results:
        assert topics(run.events_of(result)) == [result.board, "elsewhere"]
    found = {(one.part.name, one.board): topics(one.events) for one in outside(run)}
    assert {key: value for key, value in found.items() if value} == {
        ("gw0", ""): ["esp32c3-a"],
        ("gw1", ""): ["esp32-a"],
    }
    shown = [event.sequence for one in outside(run) for event in one.events]
    shown += [event.sequence for result in run.results for event in run.events_of(result)]
    assert Counter(shown) == Counter(range(sum(len(part.events) for part in run.parts))), "each is in one picture"


def test_hil_watch_has_them_with_their_boards(tmp_path: Path) -> None:
    rows = Follower(two_boards(tmp_path, None)).read()
    assert [row.board for row in rows if row.event.kind == "message"] == ["esp32-a", "esp32c3-a", None] * 2


def test_the_stretch_below_a_failure_is_of_one_board(tmp_path: Path) -> None:
    with Bench(RIG, boards=[], artifacts=tmp_path, broker_side=False) as bench:
        for of in ("esp32-a", "esp32c3-a", "elsewhere"):
            bench.timeline.record("monitor", "message", topic=f"devices/{of}/status", payload=b"online")
        stretch = bench.stretch("esp32-a")
    assert "devices/esp32-a/status" in stretch
    assert "devices/elsewhere/status" in stretch
    assert "devices/esp32c3-a/status" not in stretch
