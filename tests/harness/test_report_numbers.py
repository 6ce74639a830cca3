"""A number of an event leads to the same event everywhere: in the file, page, JSON, Markdown, on the terminal."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from run_folders import RIG, RunFolder, Told, failing_run

from hil import run_folder
from hil.attribution import Attribution
from hil.diagnose import diagnose, render
from hil.diagnose.looking_back import looked_at
from hil.report import files, results, runs
from hil.report.html.chunks import chunk
from hil.report.numbers import DIAGNOSIS, STRETCH, holds_diagnosis, renumber
from hil.report.stretch import stretch
from hil.report.summary import summary
from hil.timeline import Event, Timeline, load, stored


@pytest.fixture
def parallel(tmp_path: Path) -> Path:
    """A run of two workers: gw1 fails as `failing_run` does, among what gw0 sees."""
    noise = RunFolder(tmp_path / "run", "gw0")
    for _ in range(40):
        noise.timeline.record("console", "line", "esp32c3-a", text="I (1) fine")
    noise.close()
    return failing_run(tmp_path / "run", "gw1")


def merged(run: Path) -> dict[int, Event]:
    return {event.sequence: event for event in load(run / run_folder.TIMELINE)}


def test_reports_of_several_workers_have_the_merged_numbers(parallel: Path) -> None:
    assert not (parallel / run_folder.TIMELINE).exists(), "a run that was killed: nobody has merged it yet"
    run = runs.read(parallel)
    events = merged(parallel)
    (failed,) = [result for result in run.results if result.verdict == "FAIL"]
    for event in run.events_of(failed):
        assert events[event.sequence] == event
    (told,) = [test for test in summary(run)["tests"] if test["verdict"] == "FAIL"]
    evidence = told["diagnoses"][0]["evidence"]
    assert {(events[number].source, events[number].kind) for number in evidence} >= {("gateway", "denied")}
    in_page = chunk(run, failed)
    assert [number for number, *_ in in_page["diagnoses"][0]["evidence"]] == evidence
    sequence, numbers = -1, []
    for step in in_page["s"]:
        numbers.append(sequence := sequence + step)
    assert {number: events[number].kind for number in numbers} == {
        number: in_page["kinds"][kind][1] for number, kind in zip(numbers, in_page["k"], strict=True)
    }
    shown = f"Shown by {', '.join(f'{chr(92)}#{number}' for number in evidence[:6])}"
    assert shown in files.FORMS["markdown"].render(run)
    (text,) = [one.text for one in ET.fromstring(files.FORMS["junit"].render(run)).iter("failure")]
    assert f"(shown by {', '.join(f'#{number}' for number in evidence[:6])})\n" in (text or "")


def test_junit_tells_why_a_quarantined_test_failed(tmp_path: Path) -> None:
    run = runs.read(failing_run(tmp_path / "run"))
    (failed,) = [result for result in run.results if result.verdict == "FAIL"]
    for phase in failed.phases:
        phase.quarantined = "quarantined until 2026-12-24: known"
    assert failed.verdict == "quarantined"
    root = ET.fromstring(files.FORMS["junit"].render(run))
    (skipped,) = [one for one in root.iter("skipped") if one.get("type") == "quarantined"]
    assert skipped.get("message") == "quarantined until 2026-12-24: known"
    assert "will-topic-denied" in (skipped.text or "")
    assert "AssertionError: no will" in (skipped.text or "")
    assert [one.text for one in root.iter("skipped") if one is not skipped] == [None]


def test_a_timeline_that_grew_is_merged_again_and_one_that_cannot_be_is_read_apart(
    parallel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.read(parallel)
    own = parallel / "workers" / "gw0" / run_folder.TIMELINE
    own.write_bytes(own.read_bytes() + own.read_bytes().splitlines(keepends=True)[-1])
    os.utime(own, ns=(2**62, 2**62))
    assert sum(len(part.events) for part in runs.read(parallel).parts) == len(merged(parallel))

    def refused(run: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(run_folder, "merge", refused)
    assert runs.read(parallel).parts[1].events[0].sequence > 0, "a copy, whose files' times say nothing"
    (parallel / run_folder.TIMELINE).unlink()
    apart = runs.read(parallel)
    assert [part.events[0].sequence for part in apart.parts] == [0, 0]
    assert len(apart.parts[0].events) == 41


def test_the_terminal_s_diagnosis_gets_them_before_it_is_printed(parallel: Path) -> None:
    own = load(parallel / "workers" / "gw1" / run_folder.TIMELINE)
    first = next(e for e in own if e.source == "test").sequence
    words = render(diagnose(own, "esp32-a", after=first), start=own[0].monotonic)
    said: Any = Told("t", sections=[(f"{DIAGNOSIS}esp32-a", words), ("Captured", "     #1    0.100 s  device's")])
    setattr(said, results.ACCOUNT, {"worker": "gw1"})
    assert holds_diagnosis(said)
    renumber([said], run_folder.merge(parallel).run / run_folder.TIMELINE)
    events = merged(parallel)
    found = re.findall(r"^ {5}#(\d+) +([\d.]+) s  (\S+)", said.sections[0][1], re.MULTILINE)
    assert len(found) >= 3
    for number, seconds, what in found:
        event = events[int(number)]
        assert f"{event.source}.{event.kind}" == what
        assert event.monotonic - own[0].monotonic == pytest.approx(float(seconds), abs=0.001)
    assert [number for number, *_ in found] != re.findall(r"^ {5}#(\d+)", words, re.MULTILINE)
    assert said.sections[1][1] == "     #1    0.100 s  device's"

    said.sections = [(f"{DIAGNOSIS}esp32-a", words)]
    renumber([said], None)
    assert re.findall(r"^ {5}gw1#(\d+)", said.sections[0][1], re.MULTILINE)


def test_the_stretch_below_a_diagnosis_has_the_same_numbers(parallel: Path) -> None:
    own = load(parallel / "workers" / "gw1" / run_folder.TIMELINE)
    words = stretch(own, "esp32-a", Attribution())
    said: Any = Told("t", sections=[(f"{STRETCH}esp32-a (somewhere)", words)])
    setattr(said, results.ACCOUNT, {"worker": "gw1"})
    renumber([said], run_folder.merge(parallel).run / run_folder.TIMELINE)
    events = merged(parallel)
    lines = [line.split() for line in said.sections[0][1].splitlines() if line.startswith("  #")]
    assert len(lines) > 20
    for number, _, _, board, what, *_ in lines:
        event = events[int(number[1:])]
        assert (event.board or "-", f"{event.source}.{event.kind}") == (board, what)
    places = {line.index(" s  ") for line in said.sections[0][1].splitlines() if line.startswith("  #")}
    assert len(places) == 1, "still in columns"


def test_a_run_of_one_process_keeps_its_numbers(tmp_path: Path) -> None:
    said: Any = Told("t", sections=[(f"{DIAGNOSIS}a", "     #1    0.100 s  x")])
    assert not holds_diagnosis(said)
    setattr(said, results.ACCOUNT, {"worker": None})
    assert not holds_diagnosis(said)


def long_life(path: Path) -> None:
    """A board that has behaved well for long, and then stumbles; with much talk, and another board beside it."""
    timeline = Timeline(path)
    timeline.record("board", "contract", "a", **RIG.boards["esp32-a"].contract.promises())
    for connection in range(1, 30):
        timeline.record("power", "on", "a", switch="none")
        own = {"connection": connection}
        timeline.record("gateway", "accept", "a", **own, peer="127.0.0.1:5")
        timeline.record("gateway", "tls", "a", **own, version="TLSv1.2", subject="CN=a", serial="5d")
        about = {"client_id": "esp32-a", "version": "3.1.1", "clean": True, "keep_alive": 2, "username": None}
        timeline.record("gateway", "connect", "a", **own, **about, will=None)
        timeline.record("gateway", "connack", "a", **own, code=0 if connection < 25 else 5, session_present=False)
        for number in range(20):
            payload = {"topic": "t", "payload": str(number), "qos": 1, "retain": False, "dup": False}
            timeline.record("gateway", "publish", "a", **own, direction="up", **payload, packet_id=number + 1)
            timeline.record("console", "line", "a", text=f"I ({number}) sample")
            timeline.record("console", "line", "b", text="E (1) of another")
        if connection not in (20, 27):  # these stay open
            timeline.record("gateway", "close", "a", **own, by="device", how="reset", seconds=1.0)
        timeline.record("gateway", "connect", "b", connection=1000 + connection, **about, will=None)
    timeline.close()


def test_a_diagnosis_of_what_is_looked_at_is_that_of_all(tmp_path: Path) -> None:
    long_life(tmp_path / "timeline.jsonl")
    events, whole = stored(tmp_path / "timeline.jsonl")[""], load(tmp_path / "timeline.jsonl")
    accepts = [n for n, event in enumerate(whole) if event.kind == "accept"]
    for first, last in ((accepts[18], accepts[19]), (accepts[26], len(whole)), (0, len(whole))):
        chosen = looked_at(events, "a", first, last)
        stretch = {"after": whole[first].sequence, "before": whole[last - 1].sequence + 1, "until": whole[-1].monotonic}
        assert diagnose(chosen, "a", **stretch) == diagnose(whole, "a", **stretch) != []
    late = looked_at(events, "a", accepts[28], len(whole))
    assert not any(event.board == "b" and event.kind == "line" for event in late)
    assert looked_at(events, "a", 5, 5) == []


def test_talk_of_long_ago_is_not_read(tmp_path: Path) -> None:
    long_life(tmp_path / "timeline.jsonl")
    lines = (tmp_path / "timeline.jsonl").read_text().splitlines()
    cut = len(lines) // 3
    old = []
    for line in lines[:cut]:  # an hour ago
        told = json.loads(line)
        old.append(json.dumps({**told, "monotonic": told["monotonic"] - 3600}, separators=(",", ":")))
    (tmp_path / "timeline.jsonl").write_text("\n".join([*old, *lines[cut:]]) + "\n")
    events, whole = stored(tmp_path / "timeline.jsonl")[""], load(tmp_path / "timeline.jsonl")
    first = next(n for n, e in enumerate(whole) if n > 2 * cut and e.kind == "accept")
    chosen = looked_at(events, "a", first, len(whole))
    assert not [e for e in chosen if e.monotonic < whole[cut].monotonic - 60 and e.kind in ("line", "publish")]
    assert [e for e in chosen if e.monotonic < whole[cut].monotonic - 60 and e.kind == "connack"]
    stretch = {"after": whole[first].sequence, "before": len(whole), "until": whole[-1].monotonic}
    assert diagnose(chosen, "a", **stretch) == diagnose(whole, "a", **stretch) != []
