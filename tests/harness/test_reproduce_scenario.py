"""A case becomes a scenario: what is written, and how often it tries. That it works: test_field_failures.py."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hil import catalogue
from hil.cases import load
from hil.cases.finding import find, shipped
from hil.cli import main
from hil.reproduce import Outcome, Trial
from hil.reproduce.kept import keep
from hil.reproduce.needing import needs
from hil.reproduce.scenario import times_for, write


def some(failed: int, passed: int) -> list[Trial]:
    outcomes = [Outcome.REPRODUCED] * failed + [Outcome.PASSED] * passed
    return [Trial(number, "a", "1", outcome, 1.0, "") for number, outcome in enumerate(outcomes, 1)]


def test_each_case_that_comes_with_hil_becomes_a_scenario_beside_a_copy_of_it(tmp_path: Path) -> None:
    for path in shipped():
        write(load(path), tmp_path)
    found = {scenario.name: scenario for scenario in catalogue.scenarios(tmp_path)}
    assert len(found) == len(shipped())
    assert found["test_will_topic_stays_away"].needs == ("gateway",)
    assert found["test_missing_intermediate_stays_away"].needs == ("gateway", "own-tls")
    assert found["test_no_time_stays_away"].waits == "up to 30 s in one trial"
    for path in shipped():
        assert load(tmp_path / "cases" / path.name).file == load(path).file
    lines = [line for test in tmp_path.glob("test_*.py") for line in test.read_text().splitlines()]
    assert max(map(len, lines)) <= 120


def test_what_lies_there_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for code in (0, 1):
        assert main(["case", "scenario", "field/no-time", "--to", str(tmp_path)]) == code
    assert "test_no_time.py is there already" in capsys.readouterr().err


def test_a_case_s_own_words_break_no_test(tmp_path: Path) -> None:
    folder = tmp_path / "odd.case-1"
    folder.mkdir()
    words = 'ends with a quote\\" and three \\"\\"\\" and \\\\N{x} and\\nlines'
    signature = '[[signature.seen]]\nsource = "time"\n'
    (folder / "case.toml").write_text(f'title = "{words}"\n[signature]\nsummary = "{words}"\n{signature}')
    test = write(load(folder), tmp_path / "tests", times=3)
    ast.parse(test.read_text())
    (scenario,) = catalogue.scenarios(tmp_path / "tests")
    assert scenario.name == "test_odd_case_1_stays_away"
    assert scenario.needs == ()
    assert scenario.waits == "up to 60 s in each of 3 trials"


def test_a_condition_says_what_it_needs() -> None:
    assert needs(load(find("field/no-retry"))) == ["gateway"]


@pytest.mark.parametrize(("failed", "passed", "times"), [(3, 0, 1), (23, 27, 8), (1, 1, 31), (1, 999, 50)])
def test_the_rarer_the_failure_the_more_trials(failed: int, passed: int, times: int) -> None:
    assert times_for(some(failed, passed)) == times


def test_as_many_trials_as_the_run_asks_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for trial in some(23, 27):
        keep(trial, tmp_path)
    assert main(["case", "scenario", "field/no-retry", "--to", str(tmp_path / "x"), "--run", str(tmp_path)]) == 0
    assert "8 trials in each run" in capsys.readouterr().out
    assert "TIMES = 8" in (tmp_path / "x" / "test_no_retry.py").read_text()


def test_what_was_not_reproduced_is_no_scenario_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(some(0, 1)[0], tmp_path)
    assert main(["case", "scenario", "field/no-time", "--to", str(tmp_path / "x"), "--run", str(tmp_path)]) == 1
    assert "the case is not reproduced, and no scenario yet" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
