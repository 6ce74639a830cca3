"""The run as plain data: summary.json. Its schema is summary.schema.json beside this file, and docs/report.md."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hil.diagnose import Diagnosis
from hil.report import inventory
from hil.report.alike import BAD
from hil.report.results import Result
from hil.report.runs import Run

FORMAT = 1
"""Of summary.json. A new key does not raise it; a key that changes its meaning or goes away does."""

VERDICTS = ("FAIL", "ERROR", "flaky", "quarantined", "WARN", "pass", "n/a", "unfinished", "retried")
"""Every verdict, the ones to look at first first; 'retried' is no verdict on the test, another time of it counts."""


def summary(run: Run) -> dict[str, Any]:
    """What summary.json holds; times in seconds, moments as RFC 3339 in UTC."""
    counted = Counter(result.verdict for result in run.results)
    return {
        "format": FORMAT,
        "run": run.name,
        "began": moment(run.began),
        "ended": moment(run.ended),
        "seconds": round(run.ended - run.began, 3),
        "rig": {key: run.facts.get("rig", {}).get(key) for key in ("name", "file", "description")},
        "host": run.facts.get("host", {}),
        "versions": run.facts.get("versions", {}),
        "tools": inventory.tools(run),
        "brokers": brokers(run),
        "verdicts": {verdict: counted[verdict] for verdict in VERDICTS},
        "boards": [_board(run, name) for name in run.boards],
        "tests": [_test(run, result) for result in run.results],
        "events": sum(len(part.events) for part in run.parts),
    }


def as_json(run: Run) -> str:
    """The text of summary.json."""
    return json.dumps(summary(run), indent=1, ensure_ascii=False) + "\n"


def moment(wall: float) -> str:
    """Seconds since 1970 as RFC 3339, in UTC, to the millisecond."""
    told = datetime.datetime.fromtimestamp(wall, datetime.UTC)
    return told.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def brokers(run: Run) -> list[str]:
    """The brokers that ran, with their versions; each once."""
    started = [e for part in run.parts for e in part.of(("broker", "started"))]
    return list(dict.fromkeys(f"{e.get('kind')} {e.get('version') or ''}".strip() for e in started))


def _board(run: Run, name: str) -> dict[str, Any]:
    told = run.facts.get("boards", {}).get(name, {})
    return {
        "name": name,
        **{key: told.get(key) for key in ("chip", "contract", "client_id", "power", "where")},
        "firmware": inventory.firmware(run, name),
        "credentials": inventory.credentials(run, name),
        "faults": inventory.faults(run, name),
    }


def _test(run: Run, result: Result) -> dict[str, Any]:
    last = result.phases[-1]
    part = run.part_of(result)
    began = result.began + (part.wall_offset if part and part.events else last.wall - last.ended)
    failed = next((phase for phase in result.phases if phase.outcome == "failed"), None)
    return {
        "test": result.test,
        "board": result.board,
        "scenario": result.scenario,
        "verdict": result.verdict,
        "began": moment(began),
        "seconds": round(result.seconds, 3),
        "worker": result.worker,
        "file": result.file or None,
        "line": None if result.line is None else result.line + 1,
        "groups": result.groups,
        "reasons": list(dict.fromkeys(reasons(result))),
        "warnings": list(dict.fromkeys(words for phase in result.phases for words in phase.warnings)),
        "findings": list(dict.fromkeys(words for phase in result.phases for words in phase.findings)),
        "failure": None if failed is None else failed.failure,
        "since": run.since.get((result.board, result.scenario)) if result.verdict in BAD else None,
        "diagnoses": [_diagnosis(one) for one in run.diagnoses(result)],
    }


def reasons(result: Result) -> Iterator[str]:
    """Why it was left out, what the quarantine list says of its failure, or what it came to before."""
    if result.earlier:
        yield result.earlier
    for phase in result.phases:
        yield from (words for words in (phase.reason, phase.quarantined, phase.expired) if words)


def _diagnosis(one: Diagnosis) -> dict[str, Any]:
    return {
        "cause": one.cause,
        "title": one.title,
        "confidence": round(one.confidence, 3),
        "explanation": one.explanation,
        "against": list(one.against),
        "next": list(one.next_steps),
        "evidence": sorted({event.sequence for event in one.evidence}),
    }
