"""How far a night has come: pure, from its journal, its results, and which tests its parts began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hil import run_folder
from hil.nightly.journal import Record
from hil.nightly.part import BEGUN, LOG
from hil.nightly.planned import Planned
from hil.report.results import Result

MOST_DEATHS, MOST_KILLS = 2, 4
"""So often may pytest die in a test before the test is passed over; and so often the whole night, or either of them.
Mains that fail come in bursts, and are seldom the fault of the test that was on."""

IN_ORDER = ("done", "deadline", "terminated")
"""How a part may end without anybody having died."""


@dataclass(frozen=True)
class Progress:
    """`done`: the tests that came to their end, by node id. `died`: in how many parts pytest alone died while it
    was on; `killed`: in how many the whole night did.
    """

    done: frozenset[str] = frozenset()
    died: Mapping[str, int] = field(default_factory=dict)
    killed: Mapping[str, int] = field(default_factory=dict)

    def deadly(self, test: str) -> str | None:
        """What is to be said of a test that is not tried any more, because runs have ended in it too often."""
        died, killed = self.died.get(test, 0), self.killed.get(test, 0)
        if died < MOST_DEATHS and died + killed < MOST_KILLS:
            return None
        return f"the run died here {died + killed} times; hil does not try it any more: see {LOG} of the parts"

    def left(self, planned: Iterable[Planned], boards: Collection[str]) -> list[Planned]:
        """What is still to be run on these boards."""
        return [
            one
            for one in planned
            if one.board in boards and one.test not in self.done and self.deadly(one.test) is None
        ]

    def passed_over(self, planned: Iterable[Planned]) -> dict[Planned, str]:
        """What is not run any more, and why."""
        undone = (one for one in planned if one.test not in self.done)
        return {one: why for one in undone if (why := self.deadly(one.test)) is not None}


def progress(results: Iterable[Result], begun: Mapping[str, Collection[str]], records: Sequence[Record]) -> Progress:
    """`results` of all parts; `begun`: by part the tests that it began; `records` of the journal."""
    ended: dict[str, set[str]] = {}
    for result in results:
        if result.ended_well:
            part = (result.worker or "").split(".")[0]
            ended.setdefault(part, set()).add(result.test)
    how = {record["part"]: record["how"] for record in records if record["what"] == "ended"}
    died: Counter[str] = Counter()
    killed: Counter[str] = Counter()
    for part, tests in begun.items():
        if how.get(part) not in IN_ORDER:
            (died if part in how else killed).update(set(tests) - ended.get(part, set()))
    return Progress(frozenset(test for tests in ended.values() for test in tests), died, killed)


def begun_in(folder: Path) -> dict[str, list[str]]:
    """By part, which tests it began. Raises OSError."""
    found = {}
    for part in run_folder.parts_of(folder):
        file = part / BEGUN
        found[part.name] = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return found
