"""results.jsonl: what became of each test, written while the run goes on, a line for each phase of a test.

The process with the bench adds an account to each of pytest's reports, secrets blanked as on its timeline; it travels
with the report, and the process that sees all reports (with pytest-xdist another one) writes it down. Each line is
handed to the operating system at once, so it survives a kill; a last line that was cut off is left out in reading.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.report import attempts
from hil.report.verdicts import (
    ARTIFACTS,
    ATTEMPT,
    BOARD,
    BROKER,
    EXPIRED,
    FINDING,
    JUDGED,
    QUARANTINED,
    RETRIED,
    SCENARIO,
    WARNING,
    Report,
    outcome,
    reason_of,
    told,
    worse,
)

FILE = "results.jsonl"
ACCOUNT = "hil_account"
"""The attribute of a report that holds the account; pytest-xdist carries it along."""

LONGEST = 100_000
"""Characters of the longest text that is kept of a failure, or of one section: ends of what is longer are kept."""


def account(
    report: Report,
    *,
    about: Mapping[str, Any],
    sections: Sequence[tuple[str, str]],
    text: str,
    redacted: Callable[[str], str],
    ended: float | None = None,
) -> dict[str, Any]:
    """What one phase of a test came to, as plain data. `about` names test, board, scenario and the run's folder.

    `began` and `ended` are monotonic seconds, as on the timeline; `wall` is when it ended, in seconds since 1970.
    `text` is the failure as pytest shows it. `redacted` blanks secrets, and gets every text. `ended`: now, if None.
    """
    now = time.monotonic()
    ended = now if ended is None else ended
    outcome = "failed" if report.failed else "skipped" if report.skipped else "passed"
    return {
        **about,
        "phase": report.when,
        "outcome": outcome,
        "began": round(ended - report.duration, 6),
        "ended": round(ended, 6),
        "wall": round(time.time() - (now - ended), 6),
        "seconds": round(report.duration, 6),
        "reason": redacted(reason_of(report) or "") or None,
        "failure": redacted(_ends(text)) if report.failed else None,
        "sections": [[title, redacted(_ends(words))] for title, words in sections] if report.failed else [],
        "warnings": [redacted(words) for words in told(report, WARNING)],
        "findings": [redacted(words) for words in told(report, FINDING)],
        "quarantined": next(iter(told(report, QUARANTINED)), None),
        "expired": next(iter(told(report, EXPIRED)), None),
        "judged": bool(told(report, JUDGED)),
    }


def told_of(about: Mapping[str, Any], why: str) -> dict[str, Any]:
    """The account of a test that ended without one: an error of the bench. `about` as for `account`."""
    now = time.monotonic()
    return {
        **about,
        **{"phase": "???", "outcome": "failed", "began": now, "ended": now, "wall": time.time(), "seconds": 0.0},
        **{"reason": None, "failure": why, "sections": [], "warnings": [], "findings": []},
        **{"quarantined": None, "expired": None, "judged": False},
    }


def without_group(nodeid: str) -> str:
    """The id of a test on a board, without the name of its group that pytest-xdist puts behind it ('...[a]@a')."""
    end = nodeid.rfind("]") + 1
    return nodeid[:end] if end and nodeid[end : end + 1] == "@" else nodeid


def _ends(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}\n... {len(text) - LONGEST} characters left out ...\n{text[-LONGEST // 2 :]}"


class Writer:
    """Appends accounts to the results.jsonl of the run that they belong to. Used by one process of a run."""

    def __init__(self) -> None:
        self._files: dict[Path, int] = {}
        self._nodes: dict[str, dict[str, Any]] = {}

    @property
    def folders(self) -> list[Path]:
        """The run folders that were written to, in order."""
        return list(self._files)

    def add(self, report: Report) -> Retold | None:
        """Write the account of a report, and give it back as a report; None if it has none.

        One of a worker that crashed gets an account here. Raises OSError where it cannot be written.
        """
        told_here: dict[str, Any] | None = getattr(report, ACCOUNT, None)
        if told_here is None:
            told_here = self._crashed(report)
        if told_here is None:
            return None
        line = dict(told_here)
        self._nodes[line["test"]] = told_here
        folder = Path(line.pop("artifacts"))
        if folder not in self._files:
            folder.mkdir(parents=True, exist_ok=True)
            self._files[folder] = os.open(folder / FILE, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(self._files[folder], data) :]
        return Retold(_result(line), _phase(line), folder, line)

    def _crashed(self, report: Report) -> dict[str, Any] | None:
        """pytest-xdist reports a test whose worker died under it with a phase of its own, '???', and nothing else."""
        if report.when != "???" or not report.failed or not self._nodes:
            return None
        nodeid = without_group(report.nodeid)
        known = self._nodes.get(nodeid)
        boards = {line["board"] for line in self._nodes.values()}
        board = next((name for name in boards if name and f"[{name}" in nodeid), None)
        like = known or next((line for line in self._nodes.values() if line["board"] == board), None)
        if like is None or board is None:
            return None
        name = nodeid.rsplit("::", 1)[-1]
        about = {key: like[key] for key in ("board", "artifacts", "worker", "broker")}
        about |= {"test": nodeid, "name": name, "scenario": known["scenario"] if known else name.split("[")[0]}
        return account(report, about=about, sections=(), text=str(report.longrepr), redacted=str)

    def close(self) -> None:
        """Close the files. Closing twice does nothing."""
        for file in self._files.values():
            os.close(file)
        self._files = {}


@dataclass(slots=True)
class Phase:
    """'setup', 'call' or 'teardown' of a test; or '???', where a worker died. Fields as `account` explains them."""

    when: str
    outcome: str
    began: float
    ended: float
    wall: float
    seconds: float
    reason: str | None = None
    failure: str | None = None
    sections: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    quarantined: str | None = None
    expired: str | None = None
    judged: bool = False


@dataclass(slots=True)
class Result:
    """One test that ran once. `worker`: the pytest-xdist worker that ran it, None without.

    `attempt` and `earlier`: see `hil.report.attempts`; both '' for a test that was run once.
    """

    test: str
    name: str
    board: str
    scenario: str
    worker: str | None
    about: str
    file: str
    line: int | None
    groups: list[str]
    broker: str
    phases: list[Phase] = field(default_factory=list)
    attempt: str = ""
    earlier: str = ""

    @property
    def ended_well(self) -> bool:
        """Whether it came to its end: it was torn down, or its worker is known to have died."""
        return any(phase.when in ("teardown", "???") for phase in self.phases)

    @property
    def began(self) -> float:
        """Monotonic seconds."""
        return self.phases[0].began

    @property
    def ended(self) -> float:
        """Monotonic seconds."""
        return self.phases[-1].ended

    @property
    def seconds(self) -> float:
        """What its phases took together."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def verdict(self) -> str:
        """See `hil.report.verdicts.Verdict`; 'unfinished' where the run ended before the test did."""
        found = ""
        for phase in self.phases:
            found = worse(found, outcome(Retold(self, phase)))
        return found or (RETRIED if self.attempt == RETRIED else "unfinished")

    @property
    def failed_at(self) -> float | None:
        """The monotonic time at which it failed first; None if it did not."""
        return next((phase.ended for phase in self.phases if phase.outcome == "failed"), None)


class Retold:
    """A phase of a test as the report that it was, for `hil.report.verdicts`.

    `folder`: that of the run, if known; `line`: what stands in its results.jsonl, if it was just written there.
    """

    def __init__(
        self, result: Result, phase: Phase, folder: Path | None = None, line: Mapping[str, Any] | None = None
    ) -> None:
        self.folder = folder
        self.line = line
        self.nodeid = result.test
        self.when = phase.when
        self.failed = phase.outcome == "failed"
        self.skipped = phase.outcome == "skipped"
        self.duration = phase.seconds
        self.longrepr: object = (result.file, result.line, phase.reason) if phase.reason is not None else phase.failure
        self.user_properties: list[tuple[str, object]] = [
            (BOARD, result.board),
            (SCENARIO, result.scenario),
            *([(BROKER, result.broker)] if result.broker else []),
            *([(ARTIFACTS, str(folder))] if folder is not None else []),
            *((WARNING, words) for words in phase.warnings),
            *((FINDING, words) for words in phase.findings),
            *([(QUARANTINED, phase.quarantined)] if phase.quarantined else []),
            *([(EXPIRED, phase.expired)] if phase.expired else []),
            *([(JUDGED, True)] if phase.judged else []),
            *([(ATTEMPT, result.attempt)] if result.attempt else []),
        ]


def read(path: Path) -> list[Result]:
    """The tests of a results.jsonl, in order of their beginning. A test that ran again stands there again, and one
    of them counts.

    A last line that was cut off by a kill is left out. Raises ValueError naming file and line for anything else that
    is no account.
    """
    found: list[Result] = []
    latest: dict[tuple[str, str | None], Result] = {}
    for number, raw, last in _lines(path):
        try:
            line = json.loads(raw)
            phase = _phase(line)
            key = line["test"], line.get("worker")
            if phase.when == "setup" or key not in latest:
                latest[key] = _result(line)
                found.append(latest[key])
            latest[key].phases.append(phase)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if last:
                break
            raise ValueError(f"{path}:{number}: not the result of a test ({error!r})") from error
    attempts.weigh(found)
    return sorted(found, key=lambda result: result.began)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The accounts of a results.jsonl as they stand there; a last line that was cut off is left out.

    Raises ValueError naming file and line.
    """
    for number, raw, last in _lines(path):
        try:
            yield dict(json.loads(raw))
        except (ValueError, TypeError) as error:
            if not last:
                raise ValueError(f"{path}:{number}: not the result of a test ({error!r})") from error


def _lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if line:
            yield number, line, number == len(lines)


def _result(line: Mapping[str, Any]) -> Result:
    return Result(
        test=str(line["test"]),
        name=str(line["name"]),
        board=str(line["board"]),
        scenario=str(line["scenario"]),
        worker=line.get("worker"),
        about=str(line.get("about") or ""),
        file=str(line.get("file") or ""),
        line=line.get("line"),
        groups=[str(name) for name in line.get("groups") or ()],
        broker=str(line.get("broker") or ""),
    )


def _phase(line: Mapping[str, Any]) -> Phase:
    return Phase(
        when=str(line["phase"]),
        outcome=str(line["outcome"]),
        began=float(line["began"]),
        ended=float(line["ended"]),
        wall=float(line["wall"]),
        seconds=float(line["seconds"]),
        reason=line.get("reason"),
        failure=line.get("failure"),
        sections=[(str(title), str(words)) for title, words in line.get("sections") or ()],
        warnings=[str(words) for words in line.get("warnings") or ()],
        findings=[str(words) for words in line.get("findings") or ()],
        quarantined=line.get("quarantined"),
        expired=line.get("expired"),
        judged=bool(line.get("judged")),
    )
