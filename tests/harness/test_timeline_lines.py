"""Lines of text are recorded many at a time, and nobody who reads the timeline can tell."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hil.timeline import Event, Timeline, load, where


def test_each_line_is_an_event_among_the_others(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    timeline.record("power", "on", "a", switch="none")
    taken = timeline.record_lines("console", "line", "a", 'one\n\n"drei" é\\')
    timeline.record("power", "off", "a", switch="none")
    assert taken == range(1, 4)
    assert len(timeline) == 5
    assert [e["text"] for e in timeline.events(where("console", "line", "a"))] == ["one", "", '"drei" é\\']
    assert [e.sequence for e in timeline] == [0, 1, 2, 3, 4]
    assert [e.kind for e in timeline.events(after=2, before=4)] == ["line", "line"]
    assert [e.sequence for e in timeline.events(after=-2)] == [3, 4]
    timeline.close()
    assert [(e.sequence, e.source, e.kind, e.board, dict(e.data)) for e in load(tmp_path / "timeline.jsonl")] == [
        (e.sequence, e.source, e.kind, e.board, dict(e.data)) for e in timeline
    ]


def test_looking_twice_gives_the_same_events() -> None:
    timeline = Timeline()
    timeline.record_lines("console", "line", "a", "one\ntwo")
    assert timeline.events()[1] is timeline.events(after=1)[0]


def test_a_match_passes_by_lines_that_cannot_fit_and_finds_those_that_do() -> None:
    timeline = Timeline()
    timeline.record_lines("console", "line", "a", "one\ntwo")
    timeline.record_lines("console", "line", "b", "two\nthree")
    assert timeline.wait(where("console", "line", "b"), timeout=0)["text"] == "two"
    assert timeline.last(where("gateway") | where("console", text="two")).board == "b"  # type: ignore[union-attr]
    assert timeline.last(lambda e: e.get("text") == "three").sequence == 3  # type: ignore[union-attr]
    assert timeline.last(where("gateway", "connect")) is None


def test_lines_wake_a_waiter_and_reach_listeners() -> None:
    timeline = Timeline()
    heard: list[Event] = []
    timeline.listen(heard.append)
    found: list[Event] = []
    waiter = threading.Thread(target=lambda: found.append(timeline.wait(where(text="two"), timeout=30)))
    waiter.start()
    timeline.record_lines("console", "line", "a", "one\ntwo")
    waiter.join(30)
    assert [e["text"] for e in heard] == ["one", "two"]
    assert found == [heard[1]]


def test_secrets_are_blanked_and_the_count_of_lines_stays(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    key = (
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBSecretSecretSecret\nQ2hhcmxpZURlbHRh\n-----END EC PRIVATE KEY-----\n"
    )
    timeline.redact(key)
    timeline.redact("hunter22")
    timeline.record_lines("console", "line", "a", f"pass hunter22\n{key}after\nagain MHcCAQEEIBSecretSecretSecret")
    texts = [e["text"] for e in timeline]
    assert texts[0] == "pass [redacted]"
    assert texts[-2:] == ["after", "again [redacted]"]
    assert len(texts) == 7
    timeline.record("console", "line", "a", text="Q2hhcmxpZURlbHRh")
    timeline.close()
    written = (tmp_path / "timeline.jsonl").read_text()
    assert "Secret" not in written
    assert "hunter22" not in written
    assert "Q2hhcmxpZ" not in written


def test_a_boundary_of_a_key_is_no_secret() -> None:
    timeline = Timeline()
    timeline.redact("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBSecretSecretSecret\n-----END EC PRIVATE KEY-----\n")
    assert timeline.redacted("-----BEGIN EC PRIVATE KEY-----") == "-----BEGIN EC PRIVATE KEY-----"


def test_text_that_is_no_utf_8_does_not_stop_the_record(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    timeline.record("console", "line", "a", text="odd \udcff")
    timeline.record_lines("console", "line", "a", "odd \udcff\nend")
    timeline.close()
    assert len(load(tmp_path / "timeline.jsonl")) == 3


def test_a_batch_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    timeline = Timeline(path)
    timeline.record_lines("console", "line", "a", "one\ntwo")
    timeline.record_lines("console", "line", "a", "three\nfour")
    timeline.close()
    path.write_bytes(path.read_bytes()[:-10])
    assert [e["text"] for e in load(path)] == ["one", "two"]
    path.write_bytes(b"junk\n" + path.read_bytes())
    with pytest.raises(ValueError, match=r"timeline\.jsonl:1: not an event"):
        load(path)


def test_a_batch_is_as_many_single_events(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "t.jsonl")
    timeline.redact("hunter22")
    heard: list[Event] = []
    timeline.listen(heard.append)
    before = timeline.record("power", "on", "a")
    rows = [("connect", {"client_id": "x"}), ("publish", {"payload": b"\xff", "topic": "hunter22"}), ("ping", {})]
    assert timeline.record_all("gateway", "a", rows) == range(1, 4)
    after = timeline.record("power", "off", "a")
    assert [e.kind for e in timeline.between(before, after)] == ["connect", "publish", "ping"]
    assert timeline.wait(where("gateway", "publish", "a"), timeout=0)["topic"] == "[redacted]"
    assert timeline.last(where("gateway", "connect", "b")) is None
    assert [e.sequence for e in heard] == [0, 1, 2, 3, 4]
    timeline.record_all("gateway", "a", [])
    timeline.close()
    read = load(tmp_path / "t.jsonl")
    assert [(e.sequence, e.source, e.kind) for e in read] == [(e.sequence, e.source, e.kind) for e in heard]
    assert read[2]["payload"] == b"\xff"


def test_a_batch_wakes_who_waits() -> None:
    timeline = Timeline()
    threading.Timer(0.05, timeline.record_all, ("gateway", "a", [("accept", {}), ("connect", {})])).start()
    assert timeline.wait(where("gateway", "connect"), timeout=30).sequence == 1
