"""A run's own report from its folder on this host: one file with one name, below folders that the history knows."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from hil.history.keep import KEY_FILE
from hil.history.window import Run

NAME: Final = "report.html"
_LONGEST_KEY: Final = 200


def report(run: Run) -> BinaryIO | None:
    """The report, opened; None where there is none.

    A request names the run's key alone, and no path. The folder has to hold that key itself: the same path may be
    another run's by now, or another host's. A symbolic link in place of the file is not followed.
    """
    folder = Path(run.artifacts)
    try:
        if not folder.is_absolute() or _read(folder / KEY_FILE) != run.key:
            return None
        return _opened(folder / NAME)
    except (OSError, ValueError):
        return None


def _read(path: Path) -> str:
    with _opened(path) as file:
        return file.read(_LONGEST_KEY).decode("utf-8", "replace").strip()


def _opened(path: Path) -> BinaryIO:
    """A regular file, opened. Raises OSError for whatever else is there."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(number, "rb")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise OSError(f"{path}: not a file")
    return file
