"""Judging the judges: each scenario fails a firmware that is broken in the way that it is there to notice.

That is the part of the defect matrix that leaves no scenario unproven: one defect a scenario, but for those that take
long (`-m long`). `make defects` runs all of it. That good firmware passes is what tests/scenarios itself shows.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from hil.diagnose import CANNOT_TELL, CAUSES
from tests.defects import causes, judge, matrix, plan
from tests.defects.benches import BENCH
from tests.defects.judge import Row
from tests.defects.table import TABLES, UNO, Catch, Defect, load

DEFECTS = load()
SKETCHES = load(TABLES[UNO], UNO)
PROOF = list(plan.proof(DEFECTS))

#: Benches that are open at once: most of the time goes in waits.
BENCHES = 4


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """What the chosen scenarios said of the chosen firmwares."""
    folder = tmp_path_factory.mktemp("defects")
    firmwares = {defect.board: defect for defect, _ in PROOF}.values()
    chosen = [replace(d, caught=tuple(catch for defect, catch in PROOF if defect is d)) for d in firmwares]
    found = judge.fold(chosen, plan.run(plan.part(PROOF, folder), BENCHES))
    causes.diagnose_all(found)
    plan.try_again(found, folder / "again")
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("defect", "catch"), PROOF, ids=[f"{catch}-{defect.board}" for defect, catch in PROOF])
def test_each_scenario_catches_its_defect(rows: list[Row], defect: Defect, catch: Catch) -> None:
    row = next(row for row in rows if row.defect.board == defect.board)
    mine = Row(replace(row.defect, caught=(catch,)), [v for v in row.verdicts if v.scenario in (catch.scenario, BENCH)])
    problems = "\n".join(mine.problems())
    assert not problems, problems + "\n" + "\n".join(v.text for v in mine.verdicts)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("defect", "catch"), PROOF, ids=[f"{catch}-{defect.board}" for defect, catch in PROOF])
def test_each_defect_is_diagnosed(rows: list[Row], defect: Defect, catch: Catch) -> None:
    """From the timeline alone, without knowing which scenario it is."""
    row = next(row for row in rows if row.defect.board == defect.board)
    caught = [verdict for verdict in row.meant(catch) if verdict.caught]
    assert caught, "the scenario did not catch it"
    assert causes.first_cause(caught[0]) == (catch.cause or defect.cause)


def test_the_table_names_only_causes_that_exist() -> None:
    known = {cause.slug for cause in CAUSES} | {CANNOT_TELL}
    assert {each.cause for defect in [*DEFECTS, *SKETCHES] for each in (defect, *defect.caught) if each.cause} <= known
    assert not [defect.title for defect in [*DEFECTS, *SKETCHES] if not defect.cause]


def test_the_table_names_only_scenarios_that_exist() -> None:
    known = set(plan.scenario_names())
    meant = {catch.scenario for defect in [*DEFECTS, *SKETCHES] for catch in defect.caught}
    assert meant <= known


def test_the_table_is_complete() -> None:
    """A scenario that nothing can fail proves nothing; neither does a mistake that nobody tries."""
    assert matrix.incomplete(DEFECTS) == []
    assert matrix.incomplete(SKETCHES, UNO) == []
