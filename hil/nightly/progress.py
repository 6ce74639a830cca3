"""How far a night has come: pure, from its journal, its results, and which tests its parts began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hil import run_folder
from hil.nightly.journal import Record
from hil.nightly.part import BEGUN
from hil.nightly.planned import Planned
from hil.report.results import Result

MOST_DEATHS = 2
"""So often may the run die in a test, before the test is passed over."""

IN_ORDER = ("done", "deadline", "terminated")
"""How a part may end without anybody having died."""


@dataclass(frozen=True)
class Progress:
    """`done`: the tests that came to their end, by node id. `died`: in how many parts a run died while it was on."""

    done: frozenset[str] = frozenset()
    died: Mapping[str, int] = field(default_factory=dict)

    def left(self, planned: Iterable[Planned], boards: Collection[str]) -> list[Planned]:
        """What is still to be run on these boards."""
        return [
            one
            for one in planned
            if one.board in boards and one.test not in self.done and self.died.get(one.test, 0) < MOST_DEATHS
        ]

    def passed_over(self, planned: Iterable[Planned]) -> list[Planned]:
        """What is not run any more, because the run has died in it too often."""
        return [one for one in planned if one.test not in self.done and self.died.get(one.test, 0) >= MOST_DEATHS]


def progress(results: Iterable[Result], begun: Mapping[str, Collection[str]], records: Sequence[Record]) -> Progress:
    """`results` of all parts; `begun`: by part the tests that it began; `records` of the journal."""
    ended: dict[str, set[str]] = {}
    for result in results:
        if result.ended_well:
            part = (result.worker or "").split(".")[0]
            ended.setdefault(part, set()).add(result.test)
    in_order = {record["part"] for record in records if record["what"] == "ended" and record["how"] in IN_ORDER}
    died: Counter[str] = Counter()
    for part, tests in begun.items():
        if part not in in_order:
            died.update(set(tests) - ended.get(part, set()))
    return Progress(frozenset(test for tests in ended.values() for test in tests), died)


def begun_in(folder: Path) -> dict[str, list[str]]:
    """By part, which tests it began. Raises OSError."""
    found = {}
    for part in run_folder.parts_of(folder):
        file = part / BEGUN
        found[part.name] = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return found
