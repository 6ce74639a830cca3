"""night.jsonl: what was begun and what is done, a line each, on the disk before anything else happens.

One process writes it at a time: the file is locked, and the lock goes with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

FILE: Final = "night.jsonl"

Record = Mapping[str, Any]
"""`what`, `at` in seconds since 1970, and what belongs to it."""


class NightTaken(Exception):
    """Another process is at this night. One line: which, and what to do."""


def read(folder: Path) -> list[Record]:
    """What the journal of a night says; nothing if there is none. A last line that was cut off is left out.

    Raises ValueError naming file and line for anything else that is no record.
    """
    path = folder / FILE
    if not path.exists():
        return []
    *lines, _cut_off = path.read_text(encoding="ascii").split("\n")
    found: list[Record] = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            _ = record["what"], record["at"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}:{number}: not a record of a night ({error!r})") from None
        found.append(record)
    return found


class Journal:
    """Opens the journal in `folder` for writing, makes both. Raises NightTaken, OSError, and what `read` does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self._file = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise NightTaken(
                f"{folder}: another hil nightly is at this night; wait for it, end it, or say --new"
            ) from None
        self._cut()
        self._records = read(folder)

    @property
    def records(self) -> Sequence[Record]:
        """All of it, oldest first."""
        return self._records

    def _cut(self) -> None:
        """Take away a line that a kill has left unfinished: what comes next must not be written behind it."""
        text = self.path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            os.ftruncate(self._file, whole)

    def write(self, what: str, **facts: Any) -> None:
        """Add a record; it is on the disk when this returns. Raises OSError."""
        record = {"what": what, "at": round(time.time(), 3), **facts}
        data = (json.dumps(record) + "\n").encode("ascii")
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
        self._records.append(record)

    def close(self) -> None:
        """Let others at it."""
        os.close(self._file)
