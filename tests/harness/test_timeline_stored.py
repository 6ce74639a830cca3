"""A timeline's file as a sequence of events that are read when they are asked for: the same events as `load` reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.timeline import Timeline, load, load_by_worker, merge, stored


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A timeline with bursts, lines of text, bytes, and names that need escapes."""
    timeline = Timeline(tmp_path / "timeline.jsonl")
    timeline.record("power", "on", "a", switch="none")
    timeline.record_lines("console", "line", "a", 'one\n"two" é\n\nfour')
    timeline.record_all("gateway", "b", [("publish", {"payload": b"\xff\x00"}), ("puback", {"packet_id": 1})])
    timeline.record("test", "start", 'b "é" \\', name="t")
    timeline.record("monitor", "message", None, topic="x")
    timeline.close()
    return timeline_path(tmp_path)


def timeline_path(folder: Path) -> Path:
    return folder / "timeline.jsonl"


def test_the_same_events(path: Path) -> None:
    events, whole = stored(path)[""], load(path)
    assert list(events) == whole
    assert len(events) == len(whole) == 9
    assert [events[n] for n in range(9)] == whole
    assert events[-1] == whole[-1]
    for first in range(10):
        for last in range(10):
            assert events[first:last] == whole[first:last]
    assert (events[::-1], events[7:1:-2]) == (whole[::-1], whole[7:1:-2])
    with pytest.raises(IndexError):
        events[9]


def test_only_what_is_wanted_is_read(path: Path) -> None:
    whole = path.read_text()
    events = stored(path)[""]
    at = whole.index('"payload"')
    path.write_text(whole[:at] + "!" + whole[at + 1 :])
    consoles = events.window(0, 9, lambda source, kind, board: (source, kind, board) == ("console", "line", "a"))
    assert [event["text"] for event in consoles] == ["one", '"two" é', "", "four"]
    assert [event.sequence for event in events.window(2, 4, lambda *about: about[0] == "console")] == [2, 3]
    with pytest.raises(ValueError, match=r"timeline\.jsonl: #5: not an event"):
        list(events)


def test_places_by_time_and_by_number(path: Path, tmp_path: Path) -> None:
    events = stored(path)[""]
    whole = load(path)
    for one in whole:
        first, last = events.span(one.monotonic, one.monotonic)
        assert [e.monotonic for e in events[first:last]] == [e.monotonic for e in whole if e.monotonic == one.monotonic]
        assert events.number(events.position(one.sequence)) == one.sequence
    assert events.span(0.0, 1e12) == (0, 9)
    assert events.position(1000) == 9


def test_each_worker_alone_with_the_numbers_of_all(path: Path, tmp_path: Path) -> None:
    other = Timeline(tmp_path / "other.jsonl")
    other.record("power", "off", "c", switch="none")
    other.close()
    merge({"gw0": path, "gw1": tmp_path / "other.jsonl"}, tmp_path / "merged.jsonl")
    found, whole = stored(tmp_path / "merged.jsonl"), load_by_worker(tmp_path / "merged.jsonl")
    assert {name: list(events) for name, events in found.items()} == whole
    for events in found.values():
        assert [events.number(n) for n in range(len(events))] == [event.sequence for event in events]
        assert [events.position(event.sequence) for event in events] == list(range(len(events)))
    (gap,) = [event.sequence for event in whole["gw1"]]
    assert found["gw0"].position(gap) == sum(event.sequence < gap for event in whole["gw0"])


def test_what_was_cut_off_is_left_out_and_what_is_damaged_is_named(path: Path) -> None:
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (1, 5, len(lines[-1]) - 2):
        path.write_bytes(whole[: -1 - cut])
        assert list(stored(path)[""]) == load(path)
    path.write_bytes(whole[:-1])  # all but the newline
    assert len(stored(path)[""]) == 9
    path.write_bytes(b"")
    assert list(stored(path)[""]) == []
    path.write_bytes(lines[0] + b"{}\n" + lines[1])
    with pytest.raises(ValueError, match=r"timeline\.jsonl:2: not an event of a timeline"):
        stored(path)


def test_lines_that_somebody_else_wrote(path: Path) -> None:
    spaced = [json.dumps(json.loads(line)) for line in path.read_text().splitlines()]
    whole = load(path)
    path.write_text("\n\n".join(spaced) + "\n")
    assert list(stored(path)[""]) == whole
