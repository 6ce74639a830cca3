"""The timeline: order, waking, redaction, and a file that survives whatever happens to the process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.timeline import NoSuchEvent, Timeline, TimelineClosed, UnwantedEvent, load, where


def test_wait_finds_what_is_already_there() -> None:
    timeline = Timeline()
    timeline.record("power", "on", "a")
    wanted = timeline.record("gateway", "connect", "a", client_id="x")
    assert timeline.wait(where("gateway", "connect", "a", client_id="x"), timeout=0) is wanted


def test_wait_is_woken_by_another_thread() -> None:
    timeline = Timeline()
    threading.Timer(0.05, timeline.record, ("power", "on", "a")).start()
    assert timeline.wait(where("power", "on"), timeout=30).board == "a"


def test_after_hides_what_came_before() -> None:
    timeline = Timeline()
    timeline.record("power", "on", "a")
    mark = timeline.mark()
    with pytest.raises(NoSuchEvent, match=r"no power\.on of a within 0 s"):
        timeline.wait(where("power", "on", "a"), timeout=0, after=mark)


def test_a_failure_shows_the_stretch_that_was_searched() -> None:
    timeline = Timeline()
    timeline.record("console", "line", "a", text="before")
    mark = timeline.mark()
    timeline.record("console", "line", "a", text="E (312) wifi: no network")
    with pytest.raises(NoSuchEvent) as caught:
        timeline.wait(where("gateway", "accept"), timeout=0, after=mark)
    assert "wifi: no network" in str(caught.value)
    assert "before" not in str(caught.value)


def test_never_fails_at_the_first_unwanted_event() -> None:
    timeline = Timeline()
    threading.Timer(0.05, timeline.record, ("gateway", "connect", "a")).start()
    with pytest.raises(UnwantedEvent, match=r"unwanted: gateway\.connect"):
        timeline.never(where("gateway", "connect"), seconds=30)
    timeline.never(where("gateway", "close"), seconds=0.01)


def test_wait_count_counts_each_event_once() -> None:
    timeline = Timeline()
    for number in range(3):
        timeline.record("gateway", "accept", "a", connection=number)
    assert [e["connection"] for e in timeline.wait_count(where("gateway", "accept"), 3, timeout=0)] == [0, 1, 2]
    with pytest.raises(NoSuchEvent, match="3 of 4 times"):
        timeline.wait_count(where("gateway", "accept"), 4, timeout=0)


def test_between_leaves_both_ends_out() -> None:
    timeline = Timeline()
    first, middle, last = (timeline.record("test", "step", None, n=n) for n in range(3))
    assert timeline.between(first, last) == [middle]


def test_a_predicate_that_does_not_fit_the_type_is_no_match() -> None:
    timeline = Timeline()
    timeline.record("monitor", "message", None, payload=None)
    assert timeline.last(where("monitor", "message", payload=lambda p: b"on" in p)) is None


def test_closing_wakes_those_who_wait() -> None:
    timeline = Timeline()
    threading.Timer(0.05, timeline.close).start()
    with pytest.raises(TimelineClosed):
        timeline.wait(where("power", "on"), timeout=30)


def test_secrets_are_blanked_everywhere(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "t.jsonl")
    timeline.redact("hunter22")
    timeline.record("console", "line", "a", text="pass hunter22!", raw=b"hunter22", nested={"deep": ["hunter22"]})
    assert "hunter22" not in (tmp_path / "t.jsonl").read_text()
    assert "hunter22" not in repr(timeline.events())
    with pytest.raises(ValueError, match="fewer than 4"):
        timeline.redact("abc")


def test_the_file_is_private(tmp_path: Path) -> None:
    Timeline(tmp_path / "t.jsonl").close()
    assert (tmp_path / "t.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_stretch_is_of_the_board_that_was_waited_for() -> None:
    timeline = Timeline()
    for board in ("a", "b", None):
        timeline.record("power", "on", board, switch=f"of-{board}")
    with pytest.raises(NoSuchEvent) as missing:
        timeline.wait(where("power", "off", "a"), timeout=0)
    with pytest.raises(NoSuchEvent) as too_few:
        timeline.wait_count(where("power", "off", "a"), 2, timeout=0)
    with pytest.raises(UnwantedEvent) as unwanted:
        timeline.never(where("power", "on", "b"), seconds=0)
    with pytest.raises(NoSuchEvent) as of_any:
        timeline.wait(where("power", "off"), timeout=0)
    shown = [
        re.findall(r"switch=of-(\w+)$", str(one.value), re.MULTILINE) for one in (missing, too_few, unwanted, of_any)
    ]
    assert shown == [["a", "None"], ["a", "None"], ["b", "b"], ["a", "b", "None"]]


payloads = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda k: k != "self"), payloads, max_size=4))
def test_what_is_written_can_be_read_back(tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("timeline") / "t.jsonl"
    timeline = Timeline(path)
    timeline.record("test", "step", "a", **data)
    timeline.close()
    (event,) = load(path)
    assert (event.source, event.kind, event.board) == ("test", "step", "a")
    assert set(event.data) == set(data)


def test_what_was_recorded_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    code = (
        "import os, signal, sys; from pathlib import Path; from hil.timeline import Timeline\n"
        "t = Timeline(Path(sys.argv[1]))\n"
        "for n in range(1000): t.record('test', 'step', None, n=n)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -signal.SIGKILL
    assert [e["n"] for e in load(path)] == list(range(1000))


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "t.jsonl")
    timeline.record("power", "on", "a")
    timeline.record("power", "off", "a")
    timeline.close()
    os.truncate(tmp_path / "t.jsonl", (tmp_path / "t.jsonl").stat().st_size - 9)
    assert [e.kind for e in load(tmp_path / "t.jsonl")] == ["on"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"nonsense": 1}\n{}\n')
    with pytest.raises(ValueError, match=r"t\.jsonl:1: not an event"):
        load(path)
