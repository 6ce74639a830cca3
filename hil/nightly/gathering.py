"""A night's folder as that of one run: what its parts have left, for the reports and the history.

    NIGHT/parts/02-scenarios/...              what one run of pytest left
    NIGHT/results.jsonl                       all results, in the order of the parts
    NIGHT/workers/02-scenarios.gw0            a link to what that worker left

Made anew whenever a part has ended, from the parts alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hil import facts, run_folder
from hil.nightly import stretches
from hil.nightly.planned import Planned
from hil.report import files, results
from hil.report.results import Result


def gather(folder: Path, never_run: Mapping[Planned, str] | None = None) -> list[Result]:
    """Make the night's folder that of a run, and read it. `never_run`: tests that get a result of their own, and why.

    Raises ValueError for a damaged results.jsonl, OSError.
    """
    lines = [line for part in run_folder.parts_of(folder) for line in _of_part(folder, part)]
    lines += [_account(one, why) for one, why in (never_run or {}).items()]
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    files.put(folder / results.FILE, text)
    return results.read(folder / results.FILE)


def _of_part(folder: Path, part: Path) -> Iterator[Mapping[str, Any]]:
    """The lines of a part's results, its workers named after it; and links to where these workers wrote."""
    for worker, place in _benches(part):
        link = folder / run_folder.WORKERS / _named(part, worker)
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(Path("..") / place.relative_to(folder))
        if not (folder / facts.FILE).exists() and (place / facts.FILE).exists():
            shutil.copy2(place / facts.FILE, folder / facts.FILE)
    if (part / results.FILE).exists():
        for line in stretches.retold(part, list(results.lines(part / results.FILE))):
            yield {**line, "worker": _named(part, line.get("worker"))}


def _benches(part: Path) -> Iterator[tuple[str | None, Path]]:
    workers = run_folder.timelines_of_workers(part)
    if workers:
        yield from ((name, timeline.parent) for name, timeline in workers.items())
    elif (part / run_folder.TIMELINE).exists():
        yield None, part


def _named(part: Path, worker: str | None) -> str:
    return f"{part.name}.{worker}" if worker else part.name


def _account(one: Planned, why: str) -> dict[str, Any]:
    """The result of a test that nobody will run any more: the bench failed, not the board."""
    about: dict[str, Any] = {"test": one.test, "name": one.test.rsplit("::", 1)[-1]}
    about |= {"board": one.board, "scenario": one.scenario}
    about |= {"groups": list(one.groups), "worker": None, "broker": "", "file": one.test.split("::", 1)[0]}
    return results.told_of(about, why)
