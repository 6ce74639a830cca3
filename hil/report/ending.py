"""What the end of a run leaves in its folder. A report that fails must not take the run's verdict with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hil.report import files, runs
from hil.report.terminal import causes


def leave_reports(folders: Sequence[Path], wanted: str | None) -> list[str]:
    """Write the reports of a run that has just ended; returns lines: why tests failed, and that they are written or why
    not.

    `wanted`: the names of forms, with commas between; 'none' for none; None for all that have a file.
    """
    names = files.DEFAULT if wanted is None else [n.strip() for n in wanted.split(",") if n.strip() not in ("", "none")]
    unknown = [name for name in names if name not in files.DEFAULT]
    if unknown:
        return [f"reports: found --reports {unknown[0]!r}, expected some of {','.join(files.DEFAULT)}, or none"]
    lines = []
    for folder in folders if names else ():
        try:
            run = runs.read(folder)
            why = causes(run)
            lines += [*why, *([""] if why else []), *(f"report: {path}" for path in files.write(run, names))]
        except Exception as error:  # whatever it is: the tests have run, and their results are safe
            lines.append(f"reports: {type(error).__name__}: {error}; they can be made again: hil report {folder}")
    return lines
