"""Timelines of several processes become one: in order of time, numbered anew, with nothing lost but a torn line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.diagnose import boards, stretches
from hil.timeline import Event, Timeline, load, load_by_worker, merge


def facts(event: Event) -> tuple[object, ...]:
    """All of an event but its number."""
    return round(event.monotonic, 6), event.source, event.kind, event.board, dict(event.data)


@pytest.fixture
def two(tmp_path: Path) -> dict[str, Path]:
    """Timelines of two workers whose events take turns, with bursts, lines of text and bytes among them."""
    parts = {name: tmp_path / name / "timeline.jsonl" for name in ("gw0", "gw1")}
    first, second = (Timeline(path) for path in parts.values())
    first.record("power", "on", "a", switch="none")
    second.record("test", "start", "b", name="t[b]")
    first.record_lines("console", "line", "a", 'one\n"two" é\n\nfour')
    second.record_all("gateway", "b", [("publish", {"payload": b"\xff\x00"}), ("puback", {"packet_id": 1})])
    first.record("console", "line", "a", text="last")
    second.record("test", "end", "b", name="t[b]")
    first.close()
    second.close()
    return parts


def test_all_events_are_there_in_order_of_time(two: dict[str, Path], tmp_path: Path) -> None:
    made = merge(two, tmp_path / "timeline.jsonl")
    merged = load(tmp_path / "timeline.jsonl")
    separate = sorted((event for path in two.values() for event in load(path)), key=lambda e: e.monotonic)
    assert [facts(event) for event in merged] == [facts(event) for event in separate]
    assert [event.sequence for event in merged] == list(range(len(separate))) == list(range(10))
    assert (made.events, made.workers, made.cut_off) == (10, ("gw0", "gw1"), ())
    assert (tmp_path / "timeline.jsonl").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gw0", "gw1", "timeline.jsonl"]


def test_each_event_names_its_worker_and_each_worker_is_read_back_alone(two: dict[str, Path], tmp_path: Path) -> None:
    merge(two, tmp_path / "timeline.jsonl")
    raw = [json.loads(line) for line in (tmp_path / "timeline.jsonl").read_text().splitlines()]
    assert {(one["worker"], one["board"]) for one in raw} == {("gw0", "a"), ("gw1", "b")}
    seen = load_by_worker(tmp_path / "timeline.jsonl")
    for name, path in two.items():
        assert [facts(event) for event in seen[name]] == [facts(event) for event in load(path)]
    assert boards(seen["gw1"]) == ["b"]
    (stretch,) = stretches(seen["gw1"], "b")
    numbers = [event.sequence for event in seen["gw1"]]
    assert (stretch.after, stretch.before) == (numbers[0], numbers[-1] + 1)
    assert list(load_by_worker(two["gw0"])) == [""]


def test_a_torn_last_line_is_left_out_and_said(two: dict[str, Path], tmp_path: Path) -> None:
    with two["gw0"].open("ab") as file:
        file.write(b'{"sequence":9,"monotonic":1.000000,"wall":1.0')
    made = merge(two, tmp_path / "timeline.jsonl")
    assert (made.events, made.cut_off) == (10, ("gw0",))
    assert len(load(tmp_path / "timeline.jsonl")) == 10


def test_what_is_no_event_is_told_with_file_and_line_and_nothing_is_left(two: dict[str, Path], tmp_path: Path) -> None:
    two["gw1"].write_bytes(b"hello\n" + two["gw1"].read_bytes())
    with pytest.raises(ValueError, match=r"gw1/timeline.jsonl:1: not an event .*hello"):
        merge(two, tmp_path / "timeline.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gw0", "gw1"]


def test_events_of_one_worker_stay_in_their_order_also_where_its_clock_went_back(tmp_path: Path) -> None:
    """As in a folder that was used again after the host had been restarted."""
    part = tmp_path / "gw0.jsonl"
    heads = [(0, 9.0), (1, 8.0), (2, 8.5)]
    part.write_text(
        "".join(
            f'{{"sequence":{number},"monotonic":{at:.6f},"wall":1.000000,"source":"s","kind":"k","board":null,'
            f'"data":{{"number":{number}}}}}\n'
            for number, at in heads
        )
    )
    merge({"gw0": part}, tmp_path / "timeline.jsonl")
    assert [event["number"] for event in load(tmp_path / "timeline.jsonl")] == [0, 1, 2]
