"""The verdicts of a run, and the summary that ends it: board by scenario, findings, and where the artifacts lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hil.timeline import where

if TYPE_CHECKING:
    from hil.bench import Bench

_RANK = {"pass": 0, "n/a": 1, "FAIL": 2, "ERROR": 3}


class Report(Protocol):
    """What is needed of a pytest.TestReport."""

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


@dataclass(slots=True)
class Verdict:
    """`outcome` is 'pass', 'n/a', 'FAIL' or 'ERROR' (the bench failed, not the board); `seconds` with set-up."""

    outcome: str = ""
    seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)


class Verdicts:
    """Collects pytest's reports as verdicts by scenario and board. The worst of several tests of a name counts."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, Verdict]] = {}

    def add(self, scenario: str, board: str, report: Report) -> None:
        """Take the report of one phase ('setup', 'call' or 'teardown') of a test."""
        verdict = self._cells.setdefault(scenario, {}).setdefault(board, Verdict())
        verdict.seconds += report.duration
        outcome = None
        if report.failed:
            outcome = "FAIL" if report.when == "call" else "ERROR"
        elif report.skipped:
            outcome = "n/a"
            if isinstance(report.longrepr, tuple):
                reason = str(report.longrepr[2]).removeprefix("Skipped: ").removeprefix("not applicable: ")
                if reason not in verdict.reasons:
                    verdict.reasons.append(reason)
        elif report.when == "call":
            outcome = "pass"
        if outcome is not None and (not verdict.outcome or _RANK[outcome] > _RANK[verdict.outcome]):
            verdict.outcome = outcome

    def summary(self, bench: Bench) -> list[str]:
        """The lines of the summary, without colour."""
        boards = list(dict.fromkeys(name for row in self._cells.values() for name in row))
        width = max(len(title) for title in self._cells)
        columns = [max(len(name), 12) for name in boards]
        lines = [" " * width + "  " + "  ".join(n.ljust(w) for n, w in zip(boards, columns, strict=True))]
        for title, row in self._cells.items():
            cells = [_cell(row.get(name)).ljust(w) for name, w in zip(boards, columns, strict=True)]
            lines.append(f"{title.ljust(width)}  {'  '.join(cells)}".rstrip())
        lines += self._not_applicable() + _findings(bench)
        return [*lines, "", f"broker: {bench.broker_words}", f"artifacts: {bench.artifacts}"]

    def _not_applicable(self) -> list[str]:
        lines = [
            f"  {board}: {title}: {reason}"
            for title, row in self._cells.items()
            for board, verdict in row.items()
            for reason in verdict.reasons
        ]
        return ["", "Not applicable:", *lines] if lines else []


def _cell(verdict: Verdict | None) -> str:
    if verdict is None or not verdict.outcome:
        return "-"
    return verdict.outcome if verdict.outcome == "n/a" else f"{verdict.outcome} {verdict.seconds:.1f} s"


def _findings(bench: Bench) -> list[str]:
    found = dict.fromkeys((e.board or "-", str(e["text"])) for e in bench.timeline.events(where("test", "finding")))
    return ["", "Findings:", *(f"  {board}: {text}" for board, text in found)] if found else []
