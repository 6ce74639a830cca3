"""The results of a run as they come: the lines of its results.jsonl, gathered by board and scenario. Pure.

The same lines come from the run itself, a phase of a test each, and from its folder afterwards; so what is kept of a
run does not depend on when it was written down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hil.history.causes import KIND as CAUSE
from hil.history.outcomes import AMISS, BROKEN, GOOD
from hil.report.failure import message_of

_RANK: Final = {name: rank for rank, name in enumerate(("", "n/a", "pass", "WARN", "flaky", "FAIL", "ERROR"))}

LONGEST: Final = 500
"""Characters of the longest reason that is kept; the whole of it lies in the run's folder."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """What the board ran. `sha256`: of its images together. `version`, `revision`: None where nobody said.

    `own`: whether the images hold settings of the run itself, so that their hash tells nothing.
    """

    contract: str
    sha256: str
    version: str | None = None
    revision: str | None = None
    own: bool = False

    @property
    def key(self) -> str:
        """What tells it from others: its images; where they are made anew for each run, its names."""
        if self.own and (self.version or self.revision):
            return f"{self.contract} {self.version or ''} {self.revision or ''}"
        return self.sha256

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Firmware:
        """From a line of results.jsonl."""
        return cls(
            contract=str(told.get("contract") or ""),
            sha256=str(told["sha256"]),
            version=told.get("version") or None,
            revision=told.get("revision") or None,
            own=bool(told.get("own")),
        )


@dataclass(slots=True)
class _Test:
    """One test of a cell: what each time it ran came to, the newest last, and the seconds of all its phases."""

    outcomes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    reason: str = ""

    @property
    def outcome(self) -> str:
        """A test that failed and then passed is flaky, however often it passed."""
        last = self.outcomes[-1] if self.outcomes else ""
        return "flaky" if last in GOOD and any(o in BROKEN for o in self.outcomes[:-1]) else last


@dataclass(slots=True)
class Cell:
    """One scenario on one board. `finished`: seconds since 1970. `measured`: values with their units."""

    board: str
    scenario: str
    finished: float = 0.0
    firmware: Firmware | None = None
    quarantined: bool = False
    remarks: dict[tuple[str, str], None] = field(default_factory=dict)
    measured: dict[str, tuple[float, str]] = field(default_factory=dict)
    _tests: dict[str, _Test] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """The worst of its tests; '' as long as none has come to anything."""
        return max((test.outcome for test in self._tests.values()), key=_RANK.__getitem__, default="")

    @property
    def decided_by(self) -> tuple[str, str]:
        """The test that has made it so, and its reason."""
        name, test = max(self._tests.items(), key=lambda item: _RANK[item[1].outcome])
        return name, test.reason

    @property
    def seconds(self) -> float:
        """All its tests together, with set-up and tear-down."""
        return sum(test.seconds for test in self._tests.values())

    def take(self, line: Mapping[str, Any]) -> None:
        """One phase of one of its tests."""
        test = self._tests.setdefault(str(line["test"]), _Test())
        if line["phase"] == "setup":
            test.outcomes.append("")
        test.seconds += float(line["seconds"])
        self.finished = max(self.finished, float(line["wall"]))
        outcome = _outcome(line)
        if _RANK[outcome] > _RANK[test.outcomes[-1] if test.outcomes else ""]:
            test.outcomes[-1:] = [outcome]
            test.reason = _reason(line)
        self.remarks |= dict.fromkeys(("finding", str(text)) for text in line.get("findings") or ())
        self.remarks |= dict.fromkeys(("warning", str(text)) for text in line.get("warnings") or ())
        self.quarantined = self.quarantined or (bool(line.get("quarantined")) and line["outcome"] == "failed")
        if line.get("firmware"):
            self.firmware = Firmware.of(line["firmware"])
        for name, (value, unit) in (line.get("measured") or {}).items():
            if math.isfinite(float(value)):  # a line of JSON may say NaN, which no database can put in order
                self.measured[str(name)] = (float(value), str(unit))


class Cells:
    """All of a run, by board and scenario."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], Cell] = {}

    def take(self, line: Mapping[str, Any]) -> Cell:
        """Add a line; returns its cell. Raises KeyError, TypeError or ValueError for what is none."""
        key = str(line["board"]), str(line["scenario"])
        cell = self._cells.setdefault(key, Cell(*key))
        cell.take(line)
        return cell

    def explain(self, causes: Mapping[tuple[str, str], str]) -> list[Cell]:
        """Say why, by board and scenario; returns the cells of which something is said: those that failed at all."""
        amiss = [cell for cell in self._cells.values() if cell.outcome in AMISS]
        told = [cell for cell in amiss if (cell.board, cell.scenario) in causes]
        for cell in told:
            cell.remarks[CAUSE, causes[cell.board, cell.scenario]] = None
        return told

    @property
    def all_good(self) -> bool:
        """Whether none of them failed."""
        return not any(cell.outcome in AMISS for cell in self._cells.values())

    def __iter__(self) -> Any:
        return iter(self._cells.values())

    def __len__(self) -> int:
        return len(self._cells)


def _outcome(line: Mapping[str, Any]) -> str:
    match line["outcome"]:
        case "failed":
            return "FAIL" if line["phase"] == "call" or line.get("judged") else "ERROR"
        case "rerun":
            return "FAIL"
        case "skipped":
            return "n/a"
    if line["phase"] == "call":
        return "WARN" if line.get("warnings") else "pass"
    return ""


def _reason(line: Mapping[str, Any]) -> str:
    """Why, in a line: of a failure the one that says what was wrong."""
    failure = str(line.get("failure") or "").strip()
    text = str(line["reason"]) if line.get("reason") else message_of(failure) if failure else ""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
