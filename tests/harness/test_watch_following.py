"""The files of a run, followed while they grow."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from hil.run_folder import PARTS, WORKERS, NoRun, worker_folder
from hil.timeline import Timeline, merge
from hil.watch.following import CHUNK, Follower, run_at
from hil.watch.row import Row
from hil.watch.source import FollowedRun


def texts(rows: list[Row]) -> list[str]:
    return [str(row.event.get("text")) for row in rows]


def test_what_is_written_is_read_as_it_comes(tmp_path: Path) -> None:
    written = Timeline(tmp_path / "timeline.jsonl")
    follower = Follower(tmp_path)
    assert follower.read() == []
    assert follower.began is None
    first = written.record("console", "line", "a", text="one")
    written.record_lines("console", "line", "a", "two\nthree")
    assert texts(follower.read()) == ["one", "two", "three"]
    assert follower.began == pytest.approx(first.monotonic, abs=1e-5)
    assert follower.read() == []
    written.record("monitor", "message", None, text="four", payload=b"\xff")
    (row,) = follower.read()
    assert (row.event.sequence, row.event["payload"]) == (3, b"\xff")


def test_a_torn_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    source = Timeline(tmp_path / "whole.jsonl")
    source.record("console", "line", "a", text="größer")
    source.record("console", "line", "a", text="second")
    data = (tmp_path / "whole.jsonl").read_bytes()
    follower, file = Follower(tmp_path), tmp_path / "timeline.jsonl"
    seen = []
    for at in range(len(data)):  # each byte by itself, the halves of a character too
        with file.open("ab") as growing:
            growing.write(data[at : at + 1])
        seen += texts(follower.read())
        assert len(seen) == data[: at + 1].count(b"\n")
    assert seen == ["größer", "second"]


def test_workers_are_followed_as_they_come(tmp_path: Path) -> None:
    first = Timeline(worker_folder(tmp_path, "gw0") / "timeline.jsonl")
    follower = Follower(tmp_path)
    first.record("console", "line", "a", text="of gw0")
    assert [(row.worker, row.event.board) for row in follower.read()] == [("gw0", "a")]
    second = Timeline(worker_folder(tmp_path, "gw1") / "timeline.jsonl")
    second.record("console", "line", "b", text="of gw1")
    first.record("console", "line", "a", text="more of gw0")
    assert sorted((row.worker, str(row.event["text"])) for row in follower.read()) == [
        ("gw0", "more of gw0"),
        ("gw1", "of gw1"),
    ]
    # What is merged at the end has been seen already.
    parts = {name: worker_folder(tmp_path, name) / "timeline.jsonl" for name in ("gw0", "gw1")}
    merge(parts, tmp_path / "timeline.jsonl")
    assert follower.read() == []
    # Where only the merged one is left, it tells the workers.
    rows = Follower(tmp_path / "timeline.jsonl").read()
    assert [row.worker for row in rows] == ["gw0", "gw1", "gw0"]


def test_the_parts_of_a_night_are_followed_and_none_twice(tmp_path: Path) -> None:
    night = tmp_path / "nightly-1"
    first, second = night / PARTS / "1-scenarios", night / PARTS / "2-soak"
    Timeline(worker_folder(first, "gw0") / "timeline.jsonl").record("console", "line", "a", text="scenario")
    assert run_at(tmp_path) == night
    follower = Follower(night)
    assert [(row.worker, row.event["text"]) for row in follower.read()] == [("1-scenarios/gw0", "scenario")]
    Timeline(second / "timeline.jsonl").record("console", "line", "a", text="soak")
    assert [(row.worker, row.event["text"]) for row in follower.read()] == [("2-soak", "soak")]
    (night / WORKERS).mkdir()
    (night / WORKERS / "2-soak").symlink_to(Path("..") / PARTS / "2-soak")
    assert follower.read() == []


def test_of_a_long_file_the_end_is_read(tmp_path: Path) -> None:
    written = Timeline(tmp_path / "timeline.jsonl")
    first = written.record("console", "line", "a", text="the first")
    for number in range(200):
        written.record("console", "line", "a", text=f"number {number}")
    follower = Follower(tmp_path, tail=1000)
    seen = texts(follower.read())
    assert seen == [f"number {n}" for n in range(200 - len(seen), 200)]
    assert 3 < len(seen) < 10
    assert follower.bad_lines == 0
    assert follower.began == pytest.approx(first.monotonic, abs=1e-5)
    assert 0 < follower.left_out < (tmp_path / "timeline.jsonl").stat().st_size


def test_a_large_file_is_read_in_parts(tmp_path: Path) -> None:
    written = Timeline(tmp_path / "timeline.jsonl")
    for number in range(5):
        written.record("console", "line", "a", text=f"{number} " + "x" * (CHUNK // 3))
    follower = Follower(tmp_path)
    parts = []
    while rows := follower.read():
        parts.append((len(rows), follower.unread > 0))
    assert sum(many for many, _ in parts) == 5
    assert [more for _, more in parts] == [True] * (len(parts) - 1) + [False]
    assert len(parts) > 1


def test_a_file_that_was_replaced_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "timeline.jsonl"
    Timeline(file).record("console", "line", "a", text="of the run before")
    follower = Follower(tmp_path)
    assert texts(follower.read()) == ["of the run before"]
    file.rename(tmp_path / "timeline.1.jsonl")
    assert follower.read() == []
    Timeline(file).record("console", "line", "a", text="of this run")
    assert texts(follower.read()) == ["of this run"]


def test_lines_that_are_no_events_are_left_out_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "timeline.jsonl"
    Timeline(file).record("console", "line", "a", text="good")
    with file.open("ab") as more:
        more.write(b'{"sequence": 1}\nnot JSON\n\n\xff\xfe\n')
    follower = Follower(tmp_path)
    assert texts(follower.read()) == ["good"]
    assert follower.bad_lines == 3


def test_what_is_not_shown_is_said(tmp_path: Path) -> None:
    file = tmp_path / "timeline.jsonl"
    written = Timeline(file)
    for number in range(40):
        written.record("console", "line", "a", text=f"{number} " + "x" * (1 << 16))
    with file.open("ab") as more:
        more.write(b"not JSON\n")
    notes = []
    with FollowedRun(Follower(tmp_path, tail=1 << 20)) as source:
        while len(notes) < 2:
            time.sleep(0.01)
            note = source.note()
            notes += [note] if note and "ended" not in note else []
    assert notes[0] == "a long run: its first 1 MB are not read here"
    assert "left out: 1 lines that are no events" in notes
    assert source.take()


def test_a_run_has_ended_when_no_process_has_its_timeline_open(tmp_path: Path) -> None:
    file = tmp_path / "timeline.jsonl"
    Timeline(file).record("console", "line", "a", text="one")
    follower = Follower(tmp_path)
    follower.read()
    with file.open("ab") as held, subprocess.Popen(["sleep", "600"], stdout=held) as writer:
        assert follower.ended() is False
        writer.kill()
        writer.wait()
        assert follower.ended() is True


def test_the_newest_run_of_a_folder_is_meant(tmp_path: Path) -> None:
    for age, name in ((300, "older"), (200, "newer"), (100, "state")):
        folder = tmp_path / name
        folder.mkdir()
        if name != "state":
            (folder / "timeline.jsonl").touch()
            os.utime(folder / "timeline.jsonl", (1e9 - age, 1e9 - age))
    assert run_at(tmp_path) == tmp_path / "newer"
    assert run_at(tmp_path / "older") == tmp_path / "older"
    assert run_at(tmp_path / "older" / "timeline.jsonl") == tmp_path / "older" / "timeline.jsonl"
    with pytest.raises(NoRun, match="found no timeline of a run"):
        run_at(tmp_path / "state")
    with pytest.raises(NoRun, match="found nothing"):
        run_at(tmp_path / "absent")
