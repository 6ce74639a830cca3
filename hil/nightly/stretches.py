"""Soaks that a kill, a reboot or the deadline cut short: what they had seen until then is judged, and kept.

The test goes on in another part, for what time is left; what was before is a result of its own, by the name of the
test and of the part that it was cut short in. It is judged by the timeline alone (`hil.soak`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hil import run_folder
from hil.report import files, results
from hil.soak import faults, measure
from hil.timeline import Event, stored

FILE: Final = "cut-short.jsonl"
"""In a part's folder: what was found of each such soak, so that its timeline is read once."""

MARK: Final = " (cut short in "
"""Between the id of a test and the part's name."""

Line = Mapping[str, Any]
"""Of results.jsonl: a phase of a test."""


def retold(part: Path, lines: Sequence[Line]) -> Iterator[Line]:
    """The results of a part that runs no more; its soaks that have no end get one. Raises ValueError and OSError."""
    ended = {line["test"] for line in lines if line["phase"] != "setup"}
    cut = {
        line["test"]: line
        for line in lines
        if "soak" in line["groups"] and line["test"] not in ended and line["outcome"] == "passed"
    }
    for line in lines:
        yield _renamed(line, part) if line["test"] in cut else line
    if cut:
        yield from _judged(part, [_renamed(line, part) for line in cut.values()])


def of_test(test: str, result: str) -> bool:
    """Whether the result of this id is that of the test, cut short."""
    return result.startswith(f"{test}{MARK}")


def _renamed(line: Line, part: Path) -> Line:
    return {**line, **{key: f"{line[key]}{MARK}{part.name})" for key in ("test", "name")}}


def _judged(part: Path, begun: Sequence[Line]) -> Iterator[Line]:
    file = part / FILE
    if not file.exists():
        told = [line for one in begun for line in _judge(part, one)]
        files.put(file, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in told))
    yield from results.lines(file)


def _judge(part: Path, begun: Line) -> Iterator[Line]:
    """The lines of the soak whose set-up is `begun`: how it went, and its end."""
    board, events = begun["board"], _events(part, begun)
    last = events[-1] if events else None
    ended, wall = (last.monotonic, last.wall) if last else (begun["ended"], begun["wall"])
    contract = next((e.data for e in events if (e.source, e.kind) == ("board", "contract")), {})
    found = measure(events, board)
    wrong = faults(found, (contract.get("telemetry") or {}).get("qos"), whole=False)
    lasted = {"began": begun["ended"], "ended": ended, "wall": wall, "seconds": round(ended - begun["ended"], 6)}
    words = (
        f"cut short after {(ended - begun['ended']) / 60:.1f} min, {len(found.absences)} reconnects, "
        f"{found.received} telemetry messages"
    )
    verdict = {
        "outcome": "failed" if wrong else "passed",
        "failure": "\n".join(f"E   {line}" for line in wrong) or None,
    }
    yield {**begun, "phase": "call", **lasted, **verdict, "findings": [words], "measured": {}}
    yield {**begun, "phase": "teardown", **lasted, "began": ended, "seconds": 0.0, "measured": {}}


def _events(part: Path, begun: Line) -> list[Event]:
    """The board's contract, and what its timeline shows since the set-up."""
    place = run_folder.timelines_of_workers(part).get(begun["worker"] or "", part / run_folder.TIMELINE)
    if not place.exists():
        return []
    found = [event for events in stored(place).values() for event in events.window(0, len(events), _any)]
    contract = [e for e in found if (e.source, e.kind, e.board) == ("board", "contract", begun["board"])][-1:]
    return [*contract, *(e for e in found if e.monotonic >= begun["ended"] and e.source != "guardian")]


def _any(source: str, kind: str, board: str | None) -> bool:
    return True
