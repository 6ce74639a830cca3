"""What the field sent: the seven cases' recordings fit their own signatures alone, and trials are held against them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.cases import Case, CaseFile, load
from hil.cases.finding import shipped
from hil.cli import main
from hil.diagnose import diagnose
from hil.reproduce import Outcome, Trial, actions
from hil.reproduce.reported import compared, misfit, recordings
from hil.timeline import Event
from tests.harness.stories import Story

CASES = [path.name for path in shipped()]
FIELD = {path.name: load(path) for path in shipped()}


def test_each_case_has_what_its_failure_looks_like() -> None:
    assert len(CASES) == 7
    assert all(len(recordings(case)) == 1 for case in FIELD.values())


@pytest.mark.parametrize("name", CASES)
def test_a_recording_fits_its_own_signature_alone(name: str) -> None:
    (one,) = recordings(FIELD[name])
    assert [other for other in CASES if misfit(FIELD[other], one) is None] == [name]
    found = diagnose(one.events, one.stretch.board, after=one.stretch.after, until=one.part[-1].monotonic)
    signature = FIELD[name].signature
    assert signature is not None
    assert signature.cause == found[0].cause


def written(events: list[Event], path: Path) -> Path:
    rows = [
        {"sequence": e.sequence, "monotonic": e.monotonic, "wall": e.wall, "source": e.source, "kind": e.kind}
        | {"board": e.board, "data": dict(e.data)}
        for e in events
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def cut_off(what: str, times: int = 2) -> Story:
    story = Story().ready()
    for _ in range(times):
        story.denied(story.online(greets=False, subscribes=False), what).wait(0.5)
    return story


def a_case(folder: Path, *evidence: dict[str, Any]) -> Case:
    seen = [{"source": "gateway", "kind": "denied", "data": {"what": "will"}, "count": 2}]
    told = {"title": "made up", "signature": {"seen": seen}, "evidence": list(evidence)}
    return Case(folder, CaseFile.model_validate(told))


def a_trial(timeline: Path, events: list[Event], outcome: Outcome = Outcome.REPRODUCED) -> Trial:
    return Trial(1, "x", "1", outcome, 1.0, "", 0, len(events), str(timeline))


TIMELINE = {"file": "field.jsonl", "kind": "timeline"}


def test_trials_that_go_another_way_are_told(tmp_path: Path) -> None:
    written(cut_off("will").events, tmp_path / "field.jsonl")
    case = a_case(tmp_path, TIMELINE)
    stories = {"same": cut_off("will", 3), "other": cut_off("subscribe"), "under-way": cut_off("will")}
    stories["under-way"].accept()
    trials = [a_trial(written(s.events, tmp_path / f"{name}.jsonl"), s.events) for name, s in stories.items()]
    (found,) = compared(case, trials)
    assert (found.alike, found.of) == (2, 3)
    assert str(found) == (
        "field.jsonl: 2 of 3 failing trials went the same way: cut off for its will; not so: cut off for a subscription"
    )
    assert compared(case, [replace(trials[0], outcome=Outcome.PASSED)]) == []


def test_a_connection_that_is_under_way_says_nothing(tmp_path: Path) -> None:
    first = cut_off("will")
    first.denied(first.online(greets=False, subscribes=False), "subscribe")
    written(first.events, tmp_path / "field.jsonl")
    decided = cut_off("will")
    decided.accept()
    trial = a_trial(written(decided.events, tmp_path / "t.jsonl"), decided.events)
    (found,) = compared(a_case(tmp_path, TIMELINE), [trial])
    assert found.words.endswith("the same way: cut off for its will, then cut off for a subscription")
    assert (found.alike, found.of) == (1, 1)


def test_a_console_log_is_compared_by_its_lines(tmp_path: Path) -> None:
    log = {"file": "device.log", "kind": "console"}
    (tmp_path / "device.log").write_text(
        "I (17) app: started 3 times\n\x1b[31mE (20) mqtt: gone\x1b[0m\n\nnever said\n"
    )
    story = Story().ready().says("I (99)  app: started 4 times", "12:00:01 E (21) mqtt: gone")
    trial = a_trial(written(story.events, tmp_path / "t.jsonl"), story.events, Outcome.OTHER)
    (found,) = compared(a_case(tmp_path, log), [trial])
    assert str(found) == "device.log: 2 of its 3 lines came on the console of a failing trial"
    for before in ("10:22:01.113 -> ", "[2026-11-20 10:22:01] ", "2026-11-20T10:22:01.5Z ", "[  3012] "):
        (tmp_path / "device.log").write_text(f"{before}I (17) app: started 3 times\n{before}never said\n")
        (found,) = compared(a_case(tmp_path, log), [trial])
        assert (found.alike, found.of) == (1, 2), before
    (tmp_path / "device.log").write_text("other words\n")
    (found,) = compared(a_case(tmp_path, log), [trial])
    assert str(found).endswith(
        "0 of its 1 lines came on the console of a failing trial: perhaps another firmware's words"
    )


def test_a_recording_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    two = Story().ready()
    two.event("gateway", "accept", "y", connection=7)
    written(two.events, tmp_path / "field.jsonl")
    with pytest.raises(ValueError, match=r"evidence field\.jsonl: board: found none, expected a board of it: x, y"):
        recordings(a_case(tmp_path, TIMELINE))
    assert recordings(a_case(tmp_path, {**TIMELINE, "board": "x"}))[0].stretch.board == "x"
    (tmp_path / "field.jsonl").write_text("{}\n\n")
    with pytest.raises(ValueError, match=r"field\.jsonl:1: not an event of a timeline"):
        recordings(a_case(tmp_path, TIMELINE))


class MadeUpRunner:
    """One trial, which was recorded before."""

    def __init__(self, *_: Any, folder: Path) -> None:
        self.events = written(cut_off("subscribe").events, folder / "timeline.jsonl")

    def __enter__(self) -> MadeUpRunner:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, case: Case, **_: Any) -> Iterator[Trial]:
        yield a_trial(self.events, cut_off("subscribe").events, Outcome.OTHER)


def test_what_does_not_fit_is_said_before_and_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "BenchRunner", MadeUpRunner)
    FIELD["will-topic"].write(tmp_path / "case")
    path = tmp_path / "case" / "case.toml"
    path.write_text(path.read_text().replace('what = "will"', 'what = "publish"'))
    assert main(["reproduce", str(tmp_path / "case"), "--run", str(tmp_path / "run"), "--json"]) == 3
    said = capsys.readouterr()
    assert said.err.startswith(
        "hil: warning: case case: the signature does not fit evidence/timeline.jsonl: "
        "step 2: no gateway.denied with what = publish"
    )
    (one,) = json.loads(said.out)["reported"]
    assert (one["file"], one["alike"], one["of"]) == ("evidence/timeline.jsonl", 0, 1)
    assert one["words"].endswith("cut off for its will; not so: cut off for a subscription")


def test_what_was_reproduced_says_how_it_becomes_a_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for outcome, told in ((Outcome.REPRODUCED, True), (Outcome.OTHER, False)):
        story = cut_off("subscribe").events
        tried = a_trial(written(story, tmp_path / f"{outcome}.jsonl"), story, outcome)
        monkeypatch.setattr(MadeUpRunner, "__call__", lambda self, case, tried=tried, **_: (one for one in [tried]))
        monkeypatch.setattr(actions, "BenchRunner", MadeUpRunner)
        run = tmp_path / f"run of {outcome}"
        main(["reproduce", "field/subscribe-topic", "--run", str(run)])
        line = f"  a test of it: hil case scenario field/subscribe-topic --run '{run}'"
        assert (line in capsys.readouterr().out.splitlines()) is told
