"""Brings a run into the history from its folder: one of another host, or of a run whose history was off."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hil.history.cells import Cells
from hil.history.database import History
from hil.history.keep import BoardFacts, Keeper, RunFacts, key_of

RESULTS, FACTS = "results.jsonl", "run.json"


class NoRun(ValueError):
    """A folder that holds no run, or a damaged one. One line: what was found, what is expected."""


def add(history: History, folder: Path) -> str:
    """Bring in what `folder` holds; returns what that was, in words. A second time changes nothing.

    Raises NoRun, OSError and HistoryError.
    """
    results = folder / RESULTS
    if not results.is_file():
        raise NoRun(f"{folder}: found no {RESULTS}, expected the folder of a run with a board")
    cells, newest = Cells(), 0.0
    first: Mapping[str, Any] = {}
    for number, line in lines(results):
        try:
            cell = cells.take(line)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NoRun(f"{results}:{number}: not the result of a test ({error!r})") from None
        first = first or line
        newest = max(newest, cell.finished)
    if not len(cells):
        raise NoRun(f"{results}: found no result, expected a line for each phase of a test")
    keeper = Keeper(history, *facts(folder, first))
    keeper.keep(cells)
    keeper.end(newest)
    return f"{len(cells)} results"


def lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The lines of a results.jsonl with their numbers. One that a kill cut off, the last, is left out. Raises NoRun."""
    texts = path.read_text(encoding="utf-8").split("\n")
    for number, text in enumerate(texts, 1):
        if not text:
            continue
        try:
            found = json.loads(text)
        except ValueError as error:
            if number == len(texts):
                return
            raise NoRun(f"{path}:{number}: not JSON ({error})") from None
        if not isinstance(found, dict):
            raise NoRun(f"{path}:{number}: found {type(found).__name__}, expected an object")
        yield number, found


def facts(folder: Path, line: Mapping[str, Any]) -> tuple[RunFacts, dict[str, BoardFacts]]:
    """What the folder says of the run and of its boards; `line` is its first result. Raises NoRun and OSError."""
    told = _told(folder)
    rig, host = told.get("rig") or {}, told.get("host") or {}
    versions = told.get("versions") or {}
    run = RunFacts(
        key=key_of(folder),
        rig=str(rig.get("name") or "?"),
        host=str(host.get("name") or "?"),
        began=float(told.get("began") or float(line["wall"]) - float(line["seconds"])),
        artifacts=str(folder.resolve()),
        program=f"hil {versions.get('hil', '?')}",
        broker=str(line.get("broker") or ""),
    )
    boards = told.get("boards") or {}
    macs = {name: board.get("mac") for name, board in (rig.get("boards") or {}).items()}
    return run, {name: BoardFacts(str(board.get("chip") or ""), macs.get(name)) for name, board in boards.items()}


def _told(folder: Path) -> Mapping[str, Any]:
    """run.json; where workers of pytest-xdist had a bench each, that of the first one."""
    for path in (folder / FACTS, *sorted(folder.glob(f"workers/*/{FACTS}"))):
        if not path.exists():
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise NoRun(f"{path}: not JSON ({error}); delete it to do without") from None
        if not isinstance(found, dict):
            raise NoRun(f"{path}: found {type(found).__name__}, expected an object; delete it to do without")
        return found
    return {}
