"""A night in words: what is looked at first stands first. Made into one screen, and into Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hil.history.outcomes import BROKEN, WORST
from hil.nightly import outcome as outcomes
from hil.nightly.changes import Changes
from hil.nightly.clock import shown
from hil.nightly.failing import groups, reason
from hil.nightly.outcome import Outcome
from hil.nightly.plan import Plan
from hil.report.attempts import BAD, GOOD
from hil.report.legible import one_line
from hil.report.results import Result
from hil.report.verdicts import FLAKY

#: The columns, by markers of scenarios; what has none of them is 'other'.
COLUMNS = ("tls", "mqtt", "time", "power", "soak")

HEADLINES: Mapping[int, str] = {
    outcomes.PASSED: "PASSED",
    outcomes.FAILED: "FAILED",
    outcomes.UNFIT: "BOARD LEFT OUT",
    outcomes.NOT_RUN: "NOT ALL RUN",
    outcomes.FLAKY_ONLY: "FLAKY",
    outcomes.BROKEN: "BROKEN OFF",
}


@dataclass(frozen=True)
class Section:
    """A heading and its entries, the most telling first. What is in `entries` is one line each, of any length.

    `number`: what stands behind the heading, if not the number of entries.
    """

    title: str
    entries: Sequence[str]
    number: int | None = None

    @property
    def total(self) -> int:
        """What the entries are about: as many failures, boards, tests."""
        return len(self.entries) if self.number is None else self.number


@dataclass(frozen=True)
class Told:
    """`rows`: the table of boards by groups of scenarios, its heading first, none where no test came to its end.

    `end`: where to look, what code.
    """

    headline: str
    facts: str
    rows: Sequence[Sequence[str]]
    sections: Sequence[Section]
    end: Sequence[str]


def told(plan: Plan, night: Outcome, changes: Changes, whys: Mapping[int, str]) -> Told:
    """All of it. `whys`: what the diagnosis says of results, by their `id`."""
    counted = night.verdicts
    numbers = ", ".join(f"{counted[verdict]} {verdict}" for verdict in WORST if counted[verdict])
    minutes = round((night.ended - night.began) / 60)
    lasted = f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
    firmware = " ".join(word for word in (plan.version, plan.revision and plan.revision[:12]) if word)
    given = firmware or ", ".join(night.firmware) or "as the contracts have it"
    return Told(
        headline=f"{HEADLINES[night.code]}: {plan.rig.name}: {numbers or 'no test came to its end'}",
        facts=f"{shown(night.began)} to {shown(night.ended).split()[1]} ({lasted}), firmware {given}",
        rows=table(night) if night.results else (),
        sections=[section for section in _sections(night, changes, whys) if section.entries],
        end=[f"report: {night.folder / 'report.html'}", f"exit code {night.code}: {outcomes.CODES[night.code]}"],
    )


def table(night: Outcome) -> list[list[str]]:
    """Boards by groups: '24/26' of those that were judged passed; an exclamation mark where one failed."""
    groups = [name for name in (*COLUMNS, "other") if any(_column(result) == name for result in night.results)]
    rows = [["board", *groups]]
    for board in night.boards:
        cells = [_cell([r for r in night.results if (r.board, _column(r)) == (board, name)]) for name in groups]
        rows.append([board, *cells])
    return rows


def _column(result: Result) -> str:
    return next((name for name in COLUMNS if name in result.groups), "other")


def _cell(results: Iterable[Result]) -> str:
    verdicts = [result.verdict for result in results]
    judged = [verdict for verdict in verdicts if verdict in (*GOOD, *BAD, FLAKY)]
    if not judged:
        return "n/a" if verdicts else "-"
    good = sum(verdict in GOOD for verdict in judged)
    return f"{good}/{len(judged)}" + ("!" if set(BROKEN) & set(judged) else "")


def _sections(night: Outcome, changes: Changes, whys: Mapping[int, str]) -> Iterable[Section]:
    if night.trouble is not None:
        yield Section("hil could not go on", [night.trouble])
    yield Section("Left out", [f"{board}: {why}" for board, why in night.left_out.items()])
    bad = [result for result in night.results if result.verdict in BROKEN]
    for group in groups(bad, changes.onsets, whys):
        yield Section(group.title, group.entries, group.number)
    flaky = [result for result in night.results if result.verdict == FLAKY]
    yield Section("Flaky", [_named(result, result.earlier) for result in flaky])
    yield Section("Not run", list(_not_run(night)))
    yield Section("Firmware", night.notes)
    excused = [result for result in night.results if result.verdict == "quarantined"]
    yield Section("In quarantine, and failed", [_named(result, reason(result)) for result in excused])
    yield Section("Became worse", changes.drifts)
    yield Section("History", [changes.trouble] if changes.trouble is not None else [])


def _named(result: Result, words: str) -> str:
    return one_line(f"{result.board}: {result.scenario}: {words}", 1000)


def _not_run(night: Outcome) -> Iterable[str]:
    """A line for each reason and board: hundreds of tests have one reason."""
    found: dict[tuple[str, str], int] = {}
    for one, why in night.not_run:
        if one.board not in night.left_out:
            found[one.board, why] = found.get((one.board, why), 0) + 1
    for (board, why), number in found.items():
        yield f"{board}: {number} test{'s' * (number > 1)}: {why}"
