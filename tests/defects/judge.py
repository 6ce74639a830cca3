"""From verdicts to a matrix: which defect was caught where, whether it was meant to be, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.defects.benches import Verdict
from tests.defects.table import Catch, Defect


@dataclass(slots=True)
class Row:
    """One firmware. `verdicts` holds all that was said of it, `diagnoses` the first cause found for a meant catch,
    `overruled` the verdicts that a later try did not confirm."""

    defect: Defect
    verdicts: list[Verdict] = field(default_factory=list)
    diagnoses: dict[str, str] = field(default_factory=dict)
    overruled: list[Verdict] = field(default_factory=list)

    @property
    def boards(self) -> list[str]:
        """The names of its boards."""
        return [self.defect.board, *(f"{self.defect.board}-{number}" for number in range(2, self.defect.boards + 1))]

    def replace(self, later: Iterable[Verdict]) -> None:
        """Put the verdicts of a later try in the place of those before."""
        for verdict in later:
            same = [v for v in self.verdicts if (v.board, v.name) == (verdict.board, verdict.name)]
            self.verdicts = [v for v in self.verdicts if v not in same] + [verdict]
            self.overruled += [v for v in same if v.outcome != verdict.outcome]

    def meant(self, catch: Catch) -> list[Verdict]:
        """The verdicts of the scenario that is meant."""
        return [v for v in self.verdicts if catch.covers(v.scenario, v.case)]

    def elsewhere(self) -> list[Verdict]:
        """The catches by scenarios that are not meant for this defect. Other cases of one that is need no reason."""
        meant = {catch.scenario for catch in self.defect.caught}
        return [v for v in self.verdicts if v.caught and v.scenario not in meant]

    def doubtful(self) -> list[Verdict]:
        """What is not as the table says: worth another try on a quieter bench."""
        found = [v for v in self.elsewhere() if self.defect.why_elsewhere(v.scenario) is None]
        found += [v for v in self.verdicts if v.outcome == "error"]
        for catch in self.defect.caught:
            verdicts = self.meant(catch)
            if verdicts and (not any(_fits(v, catch) for v in verdicts) or self._misread(catch)):
                found += verdicts
        return found

    def _misread(self, catch: Catch) -> bool:
        """Whether the diagnosis, if it has been asked, sees another cause first than the table."""
        found, expected = self.diagnoses.get(str(catch)), catch.cause or self.defect.cause
        return bool(found is not None and expected and found != expected)

    def problems(self) -> Iterable[str]:
        """Each in one line."""
        title = self.defect.title
        for verdict in self.verdicts:
            if verdict.outcome == "error":
                yield f"{title}: the bench failed in {verdict.scenario}: {reason(verdict.text)}"
        for catch in self.defect.caught:
            verdicts = self.meant(catch)
            if not verdicts:
                yield f"{title}: {catch} did not run"
            elif not any(_fits(v, catch) for v in verdicts):
                yield f"{title}: {catch} {what(verdicts[0])}, expected a {catch.verdict} with {catch.words!r}"
        for verdict in self.elsewhere():
            if self.defect.why_elsewhere(verdict.scenario) is None:
                yield f"{title}: {verdict.scenario} {what(verdict)}; the table has no explanation"
        for catch in self.defect.caught:
            if self._misread(catch):
                expected = catch.cause or self.defect.cause
                yield f"{title}: diagnosed in {catch} as {self.diagnoses[str(catch)]!r}, expected {expected!r}"


def _fits(verdict: Verdict, catch: Catch) -> bool:
    return verdict.outcome == catch.verdict and catch.words in verdict.text


def reason(text: str) -> str:
    """Of pytest's account of a failure, the line that says what was wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    return (marked or lines or ["no words"])[0][:300]


def fold(defects: Iterable[Defect], verdicts: Iterable[Verdict]) -> list[Row]:
    """A row for each defect, with what was said of its boards."""
    rows = {defect.board: Row(defect) for defect in defects}
    for verdict in verdicts:
        for row in rows.values():
            if verdict.board in row.boards:
                row.verdicts.append(verdict)
    return list(rows.values())


def what(verdict: Verdict) -> str:
    """What a scenario says, in a few words."""
    if verdict.outcome in ("pass", "n/a"):
        return f"says {verdict.outcome}"
    return f"says {verdict.outcome}: {reason(verdict.text)}"


def unproven(scenarios: Iterable[str], defects: Iterable[Defect]) -> list[str]:
    """The scenarios that no defect is meant for: what nothing can fail proves nothing."""
    meant = {catch.scenario for defect in defects for catch in defect.caught}
    return sorted(set(scenarios) - meant)
