"""The verdicts of a run, and the summary that ends it: board by scenario, warnings, findings, where the artifacts lie.

A verdict is made from pytest's reports alone. What a test has to add to pass or fail (its board, a warning, a finding)
travels in the report's properties, so that it is the same whether the test ran here or in another process, and stands
in a JUnit file as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

#: Names of the properties. BOARD and SCENARIO stand in each report of a test with a board, the rest where there is one.
BOARD, SCENARIO, WARNING, FINDING = "hil.board", "hil.scenario", "hil.warning", "hil.finding"
BROKER, ARTIFACTS = "hil.broker", "hil.artifacts"
#: What the quarantine list says of a failure: QUARANTINED lets it pass, EXPIRED does so no more.
QUARANTINED, EXPIRED = "hil.quarantined", "hil.quarantine_expired"
#: Of a set-up or tear-down that failed: the board fell short there, and not the bench.
JUDGED = "hil.judged"

#: Of a test that was run several times: what counts of this time (`hil.report.attempts`).
ATTEMPT = "hil.attempt"
#: It failed, and passed when it was run again; and each time that another one counts for.
FLAKY, RETRIED = "flaky", "retried"

_ORDER = ("n/a", RETRIED, "pass", "WARN", FLAKY, "quarantined", "unfinished", "FAIL", "ERROR")
_RANK = {name: rank for rank, name in enumerate(_ORDER)}


class Report(Protocol):
    """What is needed of a pytest.TestReport."""

    @property
    def nodeid(self) -> str: ...
    @property
    def when(self) -> str | None: ...
    @property
    def failed(self) -> bool: ...
    @property
    def skipped(self) -> bool: ...
    @property
    def duration(self) -> float: ...
    @property
    def longrepr(self) -> object: ...
    @property
    def user_properties(self) -> Sequence[tuple[str, object]]: ...


@dataclass(slots=True)
class Verdict:
    """`outcome`: 'pass', 'WARN', 'n/a', 'FAIL', 'ERROR' (the bench failed, not the board), or 'quarantined'.

    Quarantined: it failed, and may for a while. `seconds` with set-up.
    """

    outcome: str = ""
    seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)


def told(report: Report, name: str) -> list[str]:
    """The values of one property, in order."""
    return [str(value) for key, value in report.user_properties if key == name]


def reason_of(report: Report) -> str | None:
    """Why a test was left out, without pytest's and the plugin's own words; None where it was not, or nobody said."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return None
    return str(report.longrepr[2]).removeprefix("Skipped: ").removeprefix("not applicable: ")


def outcome(report: Report) -> str:
    """What one phase of a test says of the verdict; '' if nothing."""
    attempt = told(report, ATTEMPT)
    if RETRIED in attempt:
        return RETRIED
    if FLAKY in attempt:
        return FLAKY if report.when == "call" else ""
    if told(report, QUARANTINED):
        return "quarantined"
    if report.failed:
        return "FAIL" if report.when == "call" or told(report, JUDGED) else "ERROR"
    if report.skipped:
        return "n/a"
    if report.when == "call":
        return "WARN" if told(report, WARNING) else "pass"
    return ""


def worse(one: str, other: str) -> str:
    """The worse of two outcomes; the first where they are alike. '' is none."""
    return other if other and (not one or _RANK[other] > _RANK[one]) else one


class Verdicts:
    """Collects pytest's reports as verdicts by scenario and board. The worst of several tests of a name counts.

    Where some of them are not applicable and others pass, it is a pass, and what was not applicable is listed.
    `boards`: in which order they are shown, whoever was first; those that are not named come behind.
    """

    def __init__(self, boards: Iterable[str] = ()) -> None:
        self._order = list(boards)
        self._cells: dict[str, dict[str, Verdict]] = {}
        self._warnings: dict[tuple[str, str, str], None] = {}
        self._findings: dict[tuple[str, str], None] = {}
        self._quarantine: dict[tuple[str, str, str], None] = {}
        self._facts: dict[str, dict[str, None]] = {BROKER: {}, ARTIFACTS: {}}

    def __bool__(self) -> bool:
        return bool(self._cells)

    def add(self, report: Report) -> None:
        """Take the report of one phase ('setup', 'call' or 'teardown') of a test; one without a board is no verdict."""
        boards = told(report, BOARD)
        if not boards:
            return
        board, scenario = boards[0], told(report, SCENARIO)[0]
        verdict = self._cells.setdefault(scenario, {}).setdefault(board, Verdict())
        verdict.seconds += report.duration
        self._warnings |= dict.fromkeys((board, scenario, text) for text in told(report, WARNING))
        self._findings |= dict.fromkeys((board, text) for text in told(report, FINDING))
        listed = [*told(report, QUARANTINED), *told(report, EXPIRED)]
        self._quarantine |= dict.fromkeys((board, scenario, text) for text in listed)
        for name, seen in self._facts.items():
            seen |= dict.fromkeys(told(report, name))
        if (reason := reason_of(report)) is not None and reason not in verdict.reasons:
            verdict.reasons.append(reason)
        verdict.outcome = worse(verdict.outcome, outcome(report))

    def summary(self) -> list[str]:
        """The lines of the summary, without colour."""
        seen = dict.fromkeys(name for row in self._cells.values() for name in row)
        boards = list(dict.fromkeys([*(name for name in self._order if name in seen), *seen]))
        width = max(len(title) for title in self._cells)
        columns = [max(len(name), 12) for name in boards]
        lines = [" " * width + "  " + "  ".join(n.ljust(w) for n, w in zip(boards, columns, strict=True))]
        for title, row in self._cells.items():
            cells = [_cell(row.get(name)).ljust(w) for name, w in zip(boards, columns, strict=True)]
            lines.append(f"{title.ljust(width)}  {'  '.join(cells)}".rstrip())
        said: dict[str, Iterable[tuple[str, str]]] = {
            "Warnings:": ((board, f"{title}: {text}") for board, title, text in self._warnings),
            "Quarantine:": ((board, f"{title}: {text}") for board, title, text in self._quarantine),
            "Not applicable:": self._not_applicable(),
            "Findings:": self._findings,
        }
        for heading, words in said.items():
            lines += _block(heading, together(words, self._order))
        lines.append("")
        lines += [f"{name.removeprefix('hil.')}: {', '.join(seen)}" for name, seen in self._facts.items() if seen]
        return lines

    @property
    def artifacts(self) -> list[str]:
        """The folders of the run: one, however many workers it had."""
        return list(self._facts[ARTIFACTS])

    def _not_applicable(self) -> Iterable[tuple[str, str]]:
        for title, row in self._cells.items():
            for board, verdict in row.items():
                yield from ((board, f"{title}: {reason}") for reason in verdict.reasons)


def together(said: Iterable[tuple[str, str]], order: Sequence[str]) -> Iterable[str]:
    """What is said of boards, each a board and words: a line for the same words, with all boards that they hold for.

    The boards are named in `order`, and behind them those that are not in it.
    """
    found: dict[str, set[str]] = {}
    for board, words in said:
        found.setdefault(words, set()).add(board)
    yield from (f"{', '.join(in_order(boards, order))}: {words}" for words, boards in found.items())


def in_order(boards: Iterable[str], order: Sequence[str]) -> list[str]:
    """The boards as they stand in `order`, and behind them those that are not in it."""
    places = {name: place for place, name in enumerate(order)}
    return sorted(boards, key=lambda name: (places.get(name, len(places)), name))


def _block(heading: str, lines: Iterable[str]) -> list[str]:
    indented = [f"  {line}" for line in lines]
    return ["", heading, *indented] if indented else []


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    if not verdict.outcome:
        return "unfinished"
    return verdict.outcome if verdict.outcome == "n/a" else f"{verdict.outcome} {verdict.seconds:.1f} s"
