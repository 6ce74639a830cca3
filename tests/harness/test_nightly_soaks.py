"""Soaks that were cut short: they go on until their hour, and what they had seen before is judged and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hil.nightly import stretches
from hil.nightly.plan import now
from hil.nightly.policy import Policy, Retry
from hil.report import files, results, runs
from hil.timeline import Timeline
from tests.harness.made_up_nights import Killed, Lab, line, planned

SOAK = planned("lasts", "esp32-a", "soak")
PART = "02-soak"


def minutes(lab: Lab, part: int) -> float:
    """How long the soaks of a part were to last, each."""
    options = lab.parts.options[part]
    return float(options[options.index("--soak") + 1])


def test_it_goes_on_until_its_hour_and_the_first_stretch_is_kept(tmp_path: Path) -> None:
    lab = Lab(tmp_path, SOAK, planned("other", "esp32-a", "soak"), lasts=["dies"])
    until = now() + 3600
    with pytest.raises(Killed):
        lab.night(soak_until=until)
    night = lab.night(soak_until=until)
    assert [tests for _, tests in lab.parts.ran[1:]] == [["lasts"], ["lasts", "other"]]
    assert minutes(lab, 1) == pytest.approx(minutes(lab, 2), abs=5)
    assert (night.code, night.verdicts["pass"]) == (0, 5)
    (first, second) = [result for result in night.results if result.scenario == "lasts"]
    assert first.test == f"{second.test} (cut short in 02-soak)"
    assert "cut short after 0.0 min" in first.phases[-2].findings[0]
    assert {result.attempt for result in (first, second)} == {""}
    told = json.loads(files.FORMS["json"].render(runs.read(tmp_path)))
    assert [test["verdict"] for test in told["tests"] if test["scenario"] == "lasts"] == ["pass", "pass"]


def test_one_that_had_lasted_until_its_hour_was_run(tmp_path: Path) -> None:
    lab = Lab(tmp_path, SOAK, lasts=["dies"])
    with pytest.raises(Killed):
        lab.night(soak_until=now() + 3600)
    night = lab.night(soak_until=now() - 1)
    assert (night.code, list(night.not_run), night.verdicts["pass"]) == (0, [], 3)


def test_after_the_deadline_it_is_kept_as_well(tmp_path: Path) -> None:
    lab = Lab(tmp_path, SOAK, lasts=["late"])
    night = lab.night(soak_until=now() + 3600)
    assert [result.test for result in night.results if "(cut short in " in result.test] == [
        f"{SOAK.test} (cut short in {PART})"
    ]


def test_only_what_the_bench_did_is_tried_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path, SOAK, planned("fails", "esp32-a", "soak"), policy=Policy(retry=[Retry(times=1)]))
    lab.parts.script = {"lasts": ["error"], "fails": ["failed"]}
    night = lab.night(soak_until=now() + 3600)
    assert [tests for _, tests in lab.parts.ran[1:]] == [["lasts", "fails"], ["lasts"]]
    assert minutes(lab, 2) == pytest.approx(60, abs=1)
    assert {r.scenario: r.verdict for r in night.results if r.groups} == {"lasts": "flaky", "fails": "FAIL"}


CONTRACT = {"keep_alive": 2, "telemetry": {"topic": "t", "period": 0.5, "qos": 1, "sequence": "seq", "heap": None}}


def cut_short(part: Path, *events: tuple[str, str, dict[str, Any]]) -> results.Result:
    """A part whose soak was cut short after these events; the result of that."""
    part.mkdir(parents=True)
    timeline = Timeline(part / "timeline.jsonl")
    timeline.record("board", "contract", "esp32-a", **CONTRACT)
    begun = line(SOAK, "setup", "passed", at=timeline.record("monitor", "message", None, topic="t").monotonic)
    for source, kind, data in events:
        timeline.record(source, kind, "esp32-a", **data)
    timeline.close()
    told = list(stretches.retold(part, [json.loads(begun)]))
    (part / results.FILE).write_text("".join(json.dumps(one) + "\n" for one in told))
    (found,) = results.read(part / results.FILE)
    return found


def test_what_is_wrong_until_then_is_a_failure(tmp_path: Path) -> None:
    crash = ("board", "boot", {"name": "panic"})
    found = cut_short(tmp_path / PART, ("gateway", "connack", {"code": 0, "connection": 1}), crash)
    assert found.verdict == "FAIL"
    assert found.phases[1].failure == "E   it restarted by itself: panic"
    assert (tmp_path / PART / stretches.FILE).exists()


def test_what_the_end_itself_did_is_not(tmp_path: Path) -> None:
    """The connection that ended with the run, and what the guardian did."""
    gone = [("gateway", "close", {"connection": 1, "how": "reset", "by": "gateway"}), ("guardian", "ended", {})]
    found = cut_short(tmp_path / PART, ("gateway", "connack", {"code": 0, "connection": 1}), *gone)
    assert (found.verdict, found.ended_well) == ("pass", True)


def test_other_tests_are_left_as_they_are(tmp_path: Path) -> None:
    lines = [json.loads(line(planned("one"), "setup", "passed", at=1.0))]
    lines += [json.loads(line(SOAK, phase, "passed", at=2.0)) for phase in ("setup", "call", "teardown")]
    assert list(stretches.retold(tmp_path, lines)) == lines
