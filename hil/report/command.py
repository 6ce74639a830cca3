"""`hil report RUN`: reports of a run, made again from its artifacts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

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
    """Write or print; 0 also for a run with failures: it is the report that succeeded."""
    from hil.report import files, runs

    if options.to is not None and options.form is None:
        print("hil: found --to FILE without --as, expected --as with one of: " + ", ".join(_FORMS), file=sys.stderr)
        return 2
    try:
        found = runs.read(options.folder)
    except runs.RunError as error:
        print(f"hil: {error}", file=sys.stderr)
        return 2
    if options.form is not None:
        text = files.FORMS[options.form].render(found)
        if options.to is None:
            sys.stdout.write(text)
        else:
            files.put(options.to, text)
        return 0
    written = files.write(found)
    sys.stdout.write(files.FORMS["terminal"].render(found))
    print()
    for path in written:
        print(f"report: {path}")
    return 0
