"""Judging the judges: each scenario fails a firmware that is broken in the way that it is there to notice.

That is the part of the defect matrix that leaves no scenario unproven: one defect a scenario. `make defects` runs all
of it. That good firmware passes is what tests/scenarios itself shows.
"""

from __future__ import annotations

import pytest

from tests.defects import judge, plan
from tests.defects.benches import Verdict
from tests.defects.table import Catch, Defect, load

DEFECTS = load()
PROOF = list(plan.proof(DEFECTS))

#: Benches that are open at once: most of the time goes in waits.
BENCHES = 6


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    """What the scenarios said of the chosen firmwares."""
    return plan.run(plan.part(PROOF, tmp_path_factory.mktemp("defects"), BENCHES), BENCHES)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("defect", "catch"), PROOF, ids=[f"{catch}-{defect.board}" for defect, catch in PROOF])
def test_each_scenario_catches_its_defect(verdicts: list[Verdict], defect: Defect, catch: Catch) -> None:
    said = [v for v in verdicts if v.board == defect.board and catch.covers(v.scenario, v.case)]
    broken = [v.text for v in verdicts if v.board == defect.board and v.outcome == "error"]
    assert said, f"the scenario did not run: {broken}"
    row = judge.Row(Defect(defect.options, defect.contract, defect.boards, caught=(catch,)), said)
    problems = "\n".join(row.problems())
    assert not problems, problems + "\n" + "\n".join(v.text for v in said)


def test_every_scenario_has_a_defect() -> None:
    """A scenario that nothing can fail proves nothing."""
    assert judge.unproven(plan.scenario_names(), DEFECTS) == []


def test_the_table_names_only_scenarios_that_exist() -> None:
    known = set(plan.scenario_names())
    meant = {catch.scenario for defect in DEFECTS for catch in defect.caught}
    assert meant <= known
