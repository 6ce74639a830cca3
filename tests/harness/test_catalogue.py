"""The list of scenarios is made from the scenarios, and what the documents say of them is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import catalogue
from hil.cli import main

ROOT = Path(__file__).parents[2]
SCENARIOS = catalogue.scenarios()

ELSEWHERE = """
import pytest
pytestmark = [pytest.mark.mqtt, pytest.mark.needs("gateway")]

@pytest.mark.quick
@pytest.mark.long
@pytest.mark.needs("will")
@pytest.mark.parametrize("how", ["gently", "rudely"])
@pytest.mark.scenario("goes", covers=("case 1",), waits="1 s")
def test_goes(board, how):
    '''It must go
    away.

    And more.'''

def test_no_scenario(): ...
"""


def test_the_document_is_what_the_code_says() -> None:
    written = (ROOT / "docs" / "scenarios.md").read_text()
    assert written == catalogue.markdown(SCENARIOS), "make it anew: hil scenarios --markdown > docs/scenarios.md"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.node)
def test_each_scenario_says_what_it_judges(scenario: catalogue.Scenario) -> None:
    assert scenario.group in catalogue.GROUPS, "no group: give it one of the markers tls, mqtt, time, power, soak"
    assert scenario.rule, "no rule: the first paragraph of its docstring"
    assert scenario.covers, "covers nothing: say which case, bug thread or field failure it stands for"
    assert scenario.waits, "no wait: say how long it waits for what"


def test_titles_are_not_shared() -> None:
    titles = [s.title for s in SCENARIOS]
    assert len(set(titles)) == len(titles)


def test_the_command_lists_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "--group", "tls", "--markdown"]) == 0
    shown = capsys.readouterr().out
    assert "## tls" in shown
    assert "## mqtt" not in shown


def test_markers_of_module_and_function_are_read(tmp_path: Path) -> None:
    (tmp_path / "test_elsewhere.py").write_text(ELSEWHERE)
    (found,) = catalogue.scenarios(tmp_path)
    assert found == catalogue.Scenario(
        title="goes",
        group="mqtt",
        quick=True,
        long=True,
        rule="It must go away.",
        covers=("case 1",),
        waits="1 s",
        needs=("gateway", "will"),
        cases=("gently", "rudely"),
        file="test_elsewhere.py",
        name="test_goes",
    )
