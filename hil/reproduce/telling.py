"""Progress for people, while trials run: a line for each, which fits the terminal where it goes to one; and what cannot
be used."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

from hil.report.legible import legible
from hil.reproduce.trial import Trial
from hil.timeline.event import shown


def teller(*, as_json: bool) -> Callable[[str], None]:
    """What prints a line at once: on stderr where JSON goes to stdout."""
    stream = sys.stderr if as_json else sys.stdout

    def tell(line: str) -> None:
        text = legible(line, keep="")
        if stream.isatty():
            text = shown(text, shutil.get_terminal_size().columns)
        print(text, file=stream, flush=True)

    return tell


def complaint(error: Exception) -> str:
    """What cannot be used, for stderr: each of its lines behind 'hil: '."""
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}; check the path and its mode"
    return "\n".join(f"hil: {legible(line, keep='')}" for line in text.split("\n"))


def words(trial: Trial) -> str:
    """What became of a trial, in one line."""
    return f"{trial.board}  {trial.outcome:<10}  {trial.seconds:6.2f} s  {trial.why}"
