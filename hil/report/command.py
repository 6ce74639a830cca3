"""`hil report RUN`: reports of a run, made again from its artifacts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.report.runs import Run

#: The names of hil.report.files.FORMS, which is imported when it is needed.
_FORMS = ("html", "json", "junit", "markdown", "terminal")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    words = "make the reports of a run again from its artifacts: HTML, JSON, JUnit XML, Markdown, terminal"
    report = commands.add_parser("report", help=words, description=words)
    report.set_defaults(run=run)
    report.add_argument("folder", metavar="RUN", type=Path, help="the folder of the run, such as artifacts/20261127-1")
    report.add_argument(
        "--as",
        dest="form",
        choices=_FORMS,
        help="only this one, on stdout or in the file of --to (default: all, as files in RUN, and the terminal's here)",
    )
    report.add_argument("--to", metavar="FILE", type=Path, help="where to write the one of --as")


def run(options: argparse.Namespace) -> int:
    """Write or print; 0 also for a run with failures: it is the report that succeeded. 2 where it did not."""
    from hil.report import runs

    if options.to is not None and options.form is None:
        print("hil: found --to FILE without --as, expected --as with one of: " + ", ".join(_FORMS), file=sys.stderr)
        return 2
    try:
        found = runs.read(options.folder)
    except runs.RunError as error:
        print(f"hil: {error}", file=sys.stderr)
        return 2
    try:
        _make(found, options)
    except OSError as error:
        cure = "" if options.to else "; --as FORM --to FILE writes one elsewhere"
        print(f"hil: {error.filename}: cannot be written: {error.strerror}{cure}", file=sys.stderr)
        return 2
    return 0


def _make(found: Run, options: argparse.Namespace) -> None:
    from hil.report import files

    if options.form is None:
        written = files.write(found)
        sys.stdout.write(files.FORMS["terminal"].render(found))
        print("", *(f"report: {path}" for path in written), sep="\n")
    elif options.to is None:
        sys.stdout.write(files.FORMS[options.form].render(found))
    else:
        files.put(options.to, files.FORMS[options.form].render(found))
