"""The ends that are not a death: a timeline whose last line was torn, a machine that was suspended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hil.guardian import process
from hil.guardian.suspension import Suspension
from hil.timeline import Event, Timeline, load
from hil.timeline.ending import end

LAST = Event(0, 12.5, 1_800_000_000.25, "guardian", "ended", None, {"why": "a test", "power": ["a off"]})


def timeline(path: Path) -> Path:
    with_lines = Timeline(path)
    with_lines.record("power", "on", "a", switch="none")
    with_lines.record_lines("console", "line", "a", "one\ntwo\nthree")
    with_lines.close()
    return path


def test_the_last_events_are_numbered_on_and_read_back(tmp_path: Path) -> None:
    path = timeline(tmp_path / "timeline.jsonl")
    assert end(path, [Event(0, 12.0, 1.0, "power", "off", "a", {"switch": "none"}), LAST]) == 0
    events = load(path)
    assert [event.sequence for event in events] == [0, 1, 2, 3, 4, 5]
    assert [event.kind for event in events] == ["on", "line", "line", "line", "off", "ended"]
    assert events[-1] == Event(5, 12.5, 1_800_000_000.25, "guardian", "ended", None, LAST.data)


@pytest.mark.parametrize("torn", [1, 17, 200_000])
def test_a_torn_line_is_cut_off(tmp_path: Path, torn: int) -> None:
    path = timeline(tmp_path / "timeline.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"sequence":4,"monotonic":1'.ljust(torn, b"x")[:torn])
    assert end(path, [LAST]) == torn
    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().endswith(b"}\n"), "nothing of it is left behind the end"
    assert [event.sequence for event in load(path)] == [0, 1, 2, 3, 4]


def test_a_timeline_without_a_whole_line_begins_with_its_end(tmp_path: Path) -> None:
    for content in (b"", b'{"seq'):
        path = tmp_path / "timeline.jsonl"
        path.write_bytes(content)
        assert end(path, [LAST]) == len(content)
        assert [event.sequence for event in load(path)] == [0]


def test_what_is_no_timeline_is_left_alone(tmp_path: Path) -> None:
    for content in (b"a letter\n", b"[1]\n", b"{}\n"):
        path = tmp_path / "letter"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not an event of a timeline"):
            end(path, [LAST])
        assert path.read_bytes() == content
    with pytest.raises(FileNotFoundError):
        end(tmp_path / "none", [LAST])


# -- sleep -------------------------------------------------------------------------------------------------------------


def test_each_sleep_is_told_once() -> None:
    readings = iter([100.0, 100.0001, 160.0, 160.0, 160.2])
    suspension = Suspension(lambda: next(readings))
    assert [round(suspension.seconds()) for _ in range(4)] == [0, 60, 0, 0]
    assert Suspension().seconds() == 0.0, "this machine does not sleep while it runs this"


class Slept:
    """A guardian in a thread of this process, a machine that sleeps when told, and a run of `code`."""

    def __init__(self, timeline: Path, code: str) -> None:
        self.run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert self.run.stdout is not None
        self.run.stdout.readline()
        self.asleep = 0.0
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        suspension = Suspension(lambda: self.asleep)
        guardian = process.Guardian(theirs, os.pidfd_open(self.run.pid), self.run.pid, suspension)
        self.tell(do="begin", mark="a-mark-of-a-sleeper")
        self.tell(do="take", key="t", what="timeline", path=str(timeline))
        self.thread = threading.Thread(target=guardian.follow)
        self.thread.start()
        while not guardian.has_duties:  # a sleep before that concerns nobody
            time.sleep(0.001)

    def tell(self, **message: Any) -> None:
        self.channel.send(json.dumps(message).encode())

    def end(self) -> int:
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.run.wait(60)


@pytest.mark.parametrize("deaf", [False, True], ids=["ends", "ignores SIGTERM"])
def test_a_run_on_a_machine_that_was_suspended_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool
) -> None:
    monkeypatch.setenv("HIL_GUARDED", "restored afterwards")
    monkeypatch.setattr(process, "_GLANCE", 0.01)
    monkeypatch.setattr(process, "_ORDERLY", 0.05 if deaf else 60.0)
    path = timeline(tmp_path / "timeline.jsonl")
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if deaf else ""
    slept = Slept(path, f"import signal; {ignore}print('ready', flush=True); signal.pause()")
    slept.asleep = 600.0
    assert slept.channel.recv(1000).startswith(b"this machine was suspended for 600 s")
    assert slept.end() == (-9 if deaf else -15)
    last = load(path)[-1]
    assert (last.kind, last["why"][:36]) == ("ended", "this machine was suspended for 600 s")


def test_a_run_that_closes_in_order_after_a_sleep_has_the_reason_on_its_timeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_GLANCE", 0.01)
    monkeypatch.setattr(process, "_ORDERLY", 60.0)
    path = timeline(tmp_path / "timeline.jsonl")
    slept = Slept(
        path,
        "import signal; signal.signal(15, lambda *_: print('told', flush=True));"
        "print('ready', flush=True); signal.pause(); signal.pause()",
    )
    slept.asleep = 600.0
    assert slept.run.stdout is not None
    assert slept.run.stdout.readline() == "told\n"
    slept.tell(do="drop", key="t")
    slept.tell(do="farewell")
    slept.thread.join(60)
    assert "suspended" in load(path)[-1]["why"]
    assert not (tmp_path / "guardian.log").exists()
    slept.run.kill()
    slept.run.wait(60)
