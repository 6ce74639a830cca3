"""The history says why: what the diagnosis of a run's timeline found is kept with its results."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
from run_folders import RIG, failing_run

from hil.cli import main
from hil.history.adding import add, lines
from hil.history.causes import causes
from hil.history.database import looking_at, open_history
from hil.history.live import Live
from hil.history.place import Place, parse
from hil.history.runs import bad
from hil.history.window import newest
from hil.report import runs
from hil.serve.asked import asked
from hil.serve.pages import PAGES
from hil.serve.view import View

WILL = "last will after a power cut"
WHY = "The last will's topic is not allowed"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return parse("h.sqlite", "", tmp_path)


def kept(place: Place) -> dict[str, str | None]:
    """The causes that the history has of what was bad, by scenario."""
    with open_history(place) as history, history.reading() as connection:
        return {one.scenario: one.cause for _, one in bad(connection, newest(connection))}


def test_a_run_that_is_brought_in_has_its_causes_however_often(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = failing_run(tmp_path / "run")
    for _ in range(2):
        with open_history(place) as history:
            add(history, folder)
    assert kept(place) == {WILL: WHY, "test_errs[esp32-a]": None}
    assert main(["history", "--history", place.shown]) == 0
    told = capsys.readouterr().out
    assert told.startswith("1 run, ")
    assert "ERROR  test_errs[esp32-a]\n" in told
    assert f"  never passed  {WHY}: AssertionError: no will <[redacted]>\n" in told
    assert main(["history", "trend", "last will", "--history", place.shown]) == 0
    assert f"cause: {WHY}\n" in capsys.readouterr().out
    assert main(["history", "--json", "--history", place.shown]) == 0
    told = json.loads(capsys.readouterr().out)["failed"]
    assert [(one["scenario"], one["cause"]) for one in told] == [(WILL, WHY), ("test_errs[esp32-a]", None)]


def test_a_run_has_them_at_its_end(place: Place, tmp_path: Path) -> None:
    folder = failing_run(tmp_path / "run")
    live = Live(RIG, place.shown)
    for _, line in lines(folder / "results.jsonl"):
        live.take(line, folder)
    assert kept(place)[WILL] is None
    live.end()
    assert kept(place)[WILL] == WHY


def test_without_a_timeline_there_is_none_and_the_results_are_kept(place: Place, tmp_path: Path) -> None:
    folder = failing_run(tmp_path / "run")
    (folder / "timeline.jsonl").write_text("a letter\n")
    assert causes(folder) == {}
    (folder / "timeline.jsonl").unlink()
    assert causes(folder) == {}
    assert causes(tmp_path / "nowhere") == {}
    with open_history(place) as history:
        add(history, folder)
    assert kept(place) == {WILL: None, "test_errs[esp32-a]": None}


def test_no_fault_of_the_diagnosis_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def struck(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(runs.Run, "diagnoses", struck)
    assert causes(failing_run(tmp_path / "run")) == {}


def test_the_pages_show_the_cause_before_what_the_test_said(place: Place, tmp_path: Path) -> None:
    with open_history(place) as history:
        add(history, failing_run(tmp_path / "run"))
    with looking_at(place) as connection:
        for path in ("/", f"/run?key={newest(connection)[0].key}"):
            view = View(asked(path), connection, "here")
            (told,) = PAGES[view.asked.path](view).split('class="cause">')[1:]
            assert told.startswith(f'{html.escape(WHY)}</span> <span class="reason">AssertionError: no will')
