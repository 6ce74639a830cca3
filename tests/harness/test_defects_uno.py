"""Judging the judges of a board without a network: a few broken sketches on virtual Unos, which run in real time.

`make defects-uno` runs all of them. That each scenario that applies has one is told by the table alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from test_uno_scenarios import applicable

from hil.virtual.uno import build
from tests.defects import causes, judge, plan
from tests.defects.table import TABLES, UNO, Catch, Defect, load

SKETCHES = load(TABLES[UNO], UNO)

LACKING = [*build.missing(), *([] if shutil.which("avrdude") else ["avrdude"])]

#: One that is about its lines, one about its topics, one about its starts: those that are caught soonest.
SAMPLE = ("without fields", "with foreign-topic", "with false-cause")


def sample() -> list[tuple[Defect, Catch]]:
    """Each with the first scenario that is meant for it."""
    chosen = [sketch for sketch in SKETCHES if ", ".join(sketch.options) in SAMPLE]
    assert len(chosen) == len(SAMPLE)
    return [(sketch, sketch.caught[0]) for sketch in chosen]


@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")
def test_scenarios_catch_broken_sketches_over_the_serial_link(tmp_path: Path) -> None:
    chosen = sample()
    rows = judge.fold([sketch for sketch, _ in chosen], plan.run(plan.part(chosen, tmp_path), 1))
    causes.diagnose_all(rows)
    plan.try_again(rows, tmp_path / "again")
    causes.diagnose_all(rows)
    told = [f"{sketch.title}: {catch}" for sketch, catch in chosen for row in rows if row.defect is sketch
            if not any(v.outcome == catch.verdict and catch.words in v.text for v in row.meant(catch))]  # fmt: skip
    assert not told, "\n".join([*told, *(v.text for row in rows for v in row.verdicts)])
    assert {row.defect.title: row.diagnoses[str(catch)] for row in rows for catch in row.defect.caught[:1]} == {
        sketch.title: sketch.cause for sketch, _ in chosen
    }


def test_each_scenario_that_applies_to_an_uno_has_a_sketch_that_fails_it() -> None:
    assert judge.unproven([scenario.name for scenario in applicable()], SKETCHES) == []


def test_no_sketch_is_meant_for_a_scenario_that_does_not_apply() -> None:
    applies = {scenario.name for scenario in applicable()}
    assert {catch.scenario for sketch in SKETCHES for catch in sketch.caught} <= applies
