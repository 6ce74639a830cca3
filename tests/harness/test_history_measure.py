"""What is measured of a board in a test, from made-up timelines; and how lines become results."""

from __future__ import annotations

from typing import Any

import pytest
from histories import flattened, lines

from hil.history.cells import Cells, Firmware
from hil.history.measure import measure
from hil.timeline import Event

CONTRACT = {"telemetry": {"topic": "t", "sequence": "seq", "heap": "heap"}}


def timeline(*rows: tuple[float, str, str, dict[str, Any]], board: str = "a") -> list[Event]:
    return [Event(n, at, 1e9 + at, source, kind, board, data) for n, (at, source, kind, data) in enumerate(rows)]


def connection(
    at: float, number: int, online: float, ended: float | None
) -> list[tuple[float, str, str, dict[str, Any]]]:
    rows: list[tuple[float, str, str, dict[str, Any]]] = [
        (at, "gateway", "accept", {"connection": number}),
        (at + online, "gateway", "connack", {"connection": number, "code": 0}),
    ]
    if ended is not None:
        rows.append((ended, "gateway", "close", {"connection": number, "by": "device", "how": "reset"}))
    return rows


def test_starts_count_until_something_is_done_to_the_board() -> None:
    rows = [
        (0.0, "power", "on", {}),
        *connection(1.0, 1, 0.5, 3.0),
        (4.0, "reset", "hard", {}),
        *connection(6.0, 2, 0.5, 8.0),
        (9.0, "gateway", "fault", {"name": "latency", "state": "armed"}),
        (10.0, "power", "on", {}),
        *connection(30.0, 3, 0.5, None),
    ]
    found = measure(timeline(*rows), "a", {}, begin=0)
    assert found["time_to_online"] == (2.0, "s")  # the median of 1.5 and 2.5
    assert found["reconnects"] == (2.0, "")
    lied = [(0.0, "power", "on", {}), (0.5, "time", "request", {"mode": "year-1970"}), *connection(1.0, 1, 0.5, None)]
    assert "time_to_online" not in measure(timeline(*lied), "a", {}, begin=0)


def test_gaps_are_the_boards_own_pauses() -> None:
    rows = [
        *connection(0.0, 1, 0.1, 1.0),
        *connection(2.0, 2, 0.1, 3.0),
        *connection(7.0, 3, 0.1, 8.0),
        (9.0, "power", "off", {}),
        (10.0, "power", "on", {}),
        *connection(99.0, 4, 0.1, None),
    ]
    found = measure(timeline(*rows), "a", {}, begin=0)
    assert found["retry_gap"] == (2.5, "s")
    assert found["retry_gap_longest"] == (4.0, "s")


def test_flashing_before_the_test_counts_and_connections_before_it_do_not() -> None:
    rows = [
        (0.0, "flash", "done", {"seconds": 2.0, "written": 200_000, "skipped": 0}),
        (1.0, "provision", "done", {"seconds": 3.0, "bytes": 4096}),
        *connection(2.0, 1, 0.1, 3.0),
        (4.0, "power", "on", {}),
        *connection(5.0, 2, 0.0, None),
        (
            6.0,
            "gateway",
            "publish",
            {"direction": "up", "topic": "t", "payload": '{"seq": 1, "heap": 900}', "connection": 2},
        ),
        (
            7.0,
            "gateway",
            "publish",
            {"direction": "up", "topic": "t", "payload": '{"seq": 2, "heap": 700}', "connection": 2},
        ),
    ]
    assert measure(timeline(*rows), "a", CONTRACT, begin=5) == {
        "time_to_online": (1.0, "s"),
        "reconnects": (0.0, ""),
        "heap_least": (700.0, "B"),
        "flash_time": (2.0, "s"),
        "flash_rate": (100_000.0, "B/s"),
        "provision_time": (3.0, "s"),
    }


def test_what_was_there_already_and_other_boards_are_not_measured() -> None:
    rows = [
        (0.0, "flash", "done", {"seconds": 0.2, "written": 0}),
        (1.0, "provision", "done", {"seconds": 1.0, "bytes": 0}),
    ]
    assert measure(timeline(*rows), "a", CONTRACT, begin=0) == {}
    assert measure(timeline(*connection(0.0, 1, 0.5, None), board="b"), "a", CONTRACT, begin=0) == {}
    assert measure([], "a", {}, begin=0) == {}


# -- lines and cells -----------------------------------------------------------------------------------------------


def outcome(*tests: list[dict[str, Any]]) -> str:
    cells = Cells()
    for line in flattened(tests):
        cells.take(line)
    (cell,) = cells
    return str(cell.outcome)


@pytest.mark.parametrize("verdict", ["pass", "WARN", "n/a", "FAIL", "ERROR"])
def test_a_test_alone_gives_the_verdict(verdict: str) -> None:
    assert outcome(lines("a", "x", verdict)) == verdict


def test_the_worst_of_several_tests_counts() -> None:
    tests = [lines("a", "x", verdict, test=f"test[{n}]") for n, verdict in enumerate(("n/a", "pass", "FAIL", "WARN"))]
    assert outcome(*tests) == "FAIL"
    assert outcome(*tests[:2]) == "pass"


def test_a_pass_after_a_failure_is_flaky() -> None:
    assert outcome(lines("a", "x", "FAIL"), lines("a", "x", "pass")) == "flaky"
    assert outcome(lines("a", "x", "ERROR"), lines("a", "x", "FAIL"), lines("a", "x", "WARN")) == "flaky"
    assert outcome(lines("a", "x", "FAIL"), lines("a", "x", "FAIL")) == "FAIL"
    rerun = lines("a", "x", "FAIL")
    rerun[1]["outcome"] = "rerun"  # as pytest-rerunfailures has it
    assert outcome(rerun, lines("a", "x", "pass")) == "flaky"


def test_a_pass_whose_tear_down_fails_is_an_error() -> None:
    test = lines("a", "x", "pass")
    test[2]["outcome"] = "failed"
    assert outcome(test) == "ERROR"


def test_a_reason_is_the_line_that_says_it() -> None:
    cells = Cells()
    error = "E   hil.timeline.timeline.NoSuchEvent: no connack within 5 s\nE   more"
    failure = f"def test_it():\n>   assert online\n{error}\n\ntest_it.py:3"
    for line in lines("a", "x", "FAIL", failure=failure):
        cells.take(line)
    (cell,) = cells
    assert cell.decided_by == ("test_it.py::test_x[a]", "NoSuchEvent: no connack within 5 s")
    long = Cells()
    for line in lines("a", "x", "FAIL", failure="E   " + "x" * 9000):
        long.take(line)
    (cell,) = long
    assert len(cell.decided_by[1]) == 500


def test_firmware_that_is_built_for_each_run_goes_by_its_names() -> None:
    assert Firmware("c", "aa").key == "aa" != Firmware("c", "bb").key
    assert Firmware("c", "aa", "1.2", "abc", own=True).key == Firmware("c", "bb", "1.2", "abc", own=True).key
    assert Firmware("c", "aa", own=True).key != Firmware("c", "bb", own=True).key
