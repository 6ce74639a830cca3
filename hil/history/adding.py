"""Brings a run into the history from its folder: one of another host, or of a run whose history was off."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hil import run_folder
from hil.history.causes import causes
from hil.history.cells import Cells
from hil.history.database import History
from hil.history.keep import KEY_FILE, BoardFacts, Keeper, RunFacts, key_of
from hil.nightly.journal import FILE as NIGHT

RESULTS, FACTS = "results.jsonl", "run.json"


class NoRun(ValueError):
    """A folder that holds no run, or a damaged one. One line: what was found, what is expected."""


def add(history: History, folder: Path) -> str:
    """Bring in what `folder` holds; returns what that was, in words. A second time changes nothing.

    Raises NoRun, OSError and HistoryError.
    """
    whole = _whole(folder)
    if whole is not None:
        raise NoRun(
            f"{folder}: only a part of the run in {whole}, whose results would be counted twice; add that folder"
        )
    cells, newest = Cells(), 0.0
    first: Mapping[str, Any] = {}
    for results in _results(folder):
        for number, line in lines(results):
            try:
                cell = cells.take(line)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                what = f"no {error}" if isinstance(error, KeyError) else str(error)
                raise NoRun(f"{results}:{number}: not the result of a test ({what}); take the line out") from None
            first = first or line
            newest = max(newest, cell.finished)
    if not len(cells):
        raise NoRun(f"{folder / RESULTS}: found no result, expected a line for each phase of a test")
    if not cells.all_good:
        cells.explain(causes(folder))
    keeper = Keeper(history, *facts(folder, first))
    keeper.keep(cells)
    keeper.end(newest)
    return f"{len(cells)} results"


def _whole(folder: Path) -> Path | None:
    """The run of which `folder` has only what one worker or one part left; None for a run of its own.

    A night's folder has links to what the workers of its parts left: both ways lead to it.
    """
    found = None
    for path in (folder.absolute(), folder.resolve()):
        for above in path.parents:
            if above.name in (run_folder.WORKERS, run_folder.PARTS) and _is_run(above.parent):
                found = above.parent  # the outermost: a worker of a part of a night
    return found


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in (RESULTS, KEY_FILE, NIGHT))


def _results(folder: Path) -> list[Path]:
    """The results of a run; of a night that was killed before they were gathered, those of its parts. Raises NoRun."""
    if (folder / RESULTS).is_file():
        return [folder / RESULTS]
    parts = [part / RESULTS for part in run_folder.parts_of(folder) if (part / RESULTS).is_file()]
    if not parts:
        raise NoRun(f"{folder}: found no {RESULTS}, expected the folder of a run with a board")
    return parts


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
    """What the folder says of the run and of its boards; `line` is its first result. Raises NoRun and OSError.

    Where workers of pytest-xdist had a bench each, the run began with the first of them, and has the boards of all.
    """
    told = _told(folder)
    one: Mapping[str, Any] = told[0] if told else {}
    began = [float(each["began"]) for each in told if each.get("began")]
    run = RunFacts(
        key=key_of(folder),
        rig=str((one.get("rig") or {}).get("name") or "?"),
        host=str((one.get("host") or {}).get("name") or "?"),
        began=min(began, default=float(line["wall"]) - float(line["seconds"])),
        artifacts=str(folder.resolve()),
        program=f"hil {(one.get('versions') or {}).get('hil', '?')}",
        broker=str(line.get("broker") or ""),
    )
    boards: dict[str, BoardFacts] = {}
    for each in told:
        macs = (each.get("rig") or {}).get("boards") or {}
        for name, board in (each.get("boards") or {}).items():
            boards.setdefault(name, BoardFacts(str(board.get("chip") or ""), (macs.get(name) or {}).get("mac")))
    return run, boards


def _told(folder: Path) -> list[Mapping[str, Any]]:
    """run.json of the run, or those of its workers and parts; none where all of them were killed before they had it."""
    if (folder / FACTS).exists():
        return [_read(folder / FACTS)]
    inner = (f"{run_folder.WORKERS}/*", f"{run_folder.PARTS}/*", f"{run_folder.PARTS}/*/{run_folder.WORKERS}/*")
    return [_read(path) for places in inner for path in sorted(folder.glob(f"{places}/{FACTS}"))]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NoRun(f"{path}: not JSON ({error}); delete it to do without") from None
    if not isinstance(found, dict):
        raise NoRun(f"{path}: found {type(found).__name__}, expected an object; delete it to do without")
    return found
