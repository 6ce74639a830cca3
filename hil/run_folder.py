"""What a run leaves behind lies in one folder, also where several workers of pytest-xdist made it.

    RUN/timeline.jsonl             all events; of several workers, merged, each event with its worker
    RUN/esp32-a.console.log        each board's console
    RUN/workers/gw0/...            what one worker wrote, as it wrote it: its timeline and logs

A worker writes into its own folder alone, so that a kill can tear nothing but the end of its own files. `merge` makes
the rest of that, at the end of a run, or later for one that was killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.timeline import Merged
from hil.timeline import merge as merge_timelines

TIMELINE, WORKERS = "timeline.jsonl", "workers"
PARTS = "parts"
"""Of a run that several runs of pytest make up, such as a night: a folder for each of them."""


class NoRun(ValueError):
    """A folder holds no run. The message says what was looked for."""


@dataclass(frozen=True, slots=True)
class MergedRun:
    """The merged timeline of a run, and the logs that lie in the run's folder now."""

    run: Path
    timeline: Merged
    logs: tuple[Path, ...]

    def __str__(self) -> str:
        """One line for people, and one for each timeline whose end was lost."""
        events, workers = self.timeline.events, ", ".join(self.timeline.workers)
        lines = [f"{self.run / TIMELINE}: {events} events of {workers}"]
        lines += [
            f"{self.run / WORKERS / name / TIMELINE}: its last line was cut off, and is left out (was {name} killed?)"
            for name in self.timeline.cut_off
        ]
        return "\n".join(lines)


def worker_folder(run: Path, worker: str) -> Path:
    """The folder in which one worker writes."""
    return run / WORKERS / worker


def parts_of(run: Path) -> list[Path]:
    """The parts of a run, in the order of their names; none for a run of one piece."""
    folder = run / PARTS
    return sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def make_room(run: Path) -> None:
    """Set aside what an earlier run has left in a folder that is used again: nothing of two runs shall be merged."""
    for name in (TIMELINE, "results.jsonl", "run.json", WORKERS):
        there = run / name
        if there.exists():
            stem, suffix = os.path.splitext(name)
            number = next(n for n in range(1, 10**6) if not (run / f"{stem}.{n}{suffix}").exists())
            there.rename(run / f"{stem}.{number}{suffix}")


def timelines_of_workers(run: Path) -> dict[str, Path]:
    """The timelines that the workers of a run wrote, by the workers' names; empty for a run of one process."""
    return {folder.name: folder / TIMELINE for folder in _workers(run) if (folder / TIMELINE).exists()}


def merge(run: Path) -> MergedRun:
    """Merge what the workers of a run left behind; again, if it was merged before.

    Raises NoRun if there were no workers, ValueError for a timeline that is none, OSError for files that cannot be
    used.
    """
    parts = timelines_of_workers(run)
    if not parts:
        raise NoRun(f"{run}: found no {WORKERS}/*/{TIMELINE}, expected the folder of a run with several workers")
    merged = merge_timelines(parts, run / TIMELINE)
    return MergedRun(run, merged, tuple(_lay_out(run)))


def merged_timeline(run: Path) -> Path | None:
    """The merged timeline of a run whose workers left theirs, made anew if one of these is newer.

    In a folder that may not be written to it is the one that is there, or None. Raises ValueError as `merge` does.
    """
    there = run / TIMELINE
    newest = max((path.stat().st_mtime_ns for path in timelines_of_workers(run).values()), default=0)
    if not there.exists() or there.stat().st_mtime_ns < newest:
        try:
            merge(run)
        except (NoRun, OSError):
            return there if there.exists() else None
    return there


def timeline_of(path: Path) -> tuple[Path, MergedRun | None]:
    """The timeline of a run's folder, or `path` itself if it is a file; merged first where that was not done yet.

    Raises what `merge` does.
    """
    if not path.is_dir():
        return path, None
    timeline = path / TIMELINE
    if timeline.exists():
        return timeline, None
    if (path / WORKERS).is_dir():
        return timeline, merge(path)
    raise NoRun(f"{path}: found neither {TIMELINE} nor {WORKERS}/, expected the folder of a run")


def _workers(run: Path) -> list[Path]:
    folder = run / WORKERS
    found = [one for one in folder.iterdir() if one.is_dir()] if folder.is_dir() else []
    return sorted(found, key=lambda one: (len(one.name), one.name))  # gw2 before gw10


def _lay_out(run: Path) -> Iterator[Path]:
    """Have each log of the workers in the run's folder, too, under the name of its board.

    A link to the same file, so that it takes no room and both names stay true. Where several workers wrote a log of one
    name (a virtual board of which each had one, their brokers), the name says whose it is.
    """
    found: dict[str, list[Path]] = {}
    for folder in _workers(run):
        for log in sorted([*folder.glob("*.log"), *folder.glob("broker/*.log")]):
            found.setdefault(log.name, []).append(log)
    for name, logs in found.items():
        for log in logs:
            worker = log.relative_to(run / WORKERS).parts[0]
            stem, *rest = name.rsplit(".", 2)
            there = run / (name if len(logs) == 1 else ".".join([stem, worker, *rest]))
            _link(log, there)
            yield there


def _link(log: Path, there: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        there.unlink()
    try:
        there.hardlink_to(log)
    except OSError:  # a file system without hard links
        shutil.copy2(log, there)
