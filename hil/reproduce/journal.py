"""What has been tried, in an append-only file: a long search that was interrupted goes on where it was.

One JSON object a line: the first says what is asked, each other is a trial of something (a version of the firmware, a
smaller case), or that it cannot be tried. A line that a kill has cut off at the end is passed over.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from hil.reproduce.trial import Trial

FILE: Final = "journal.jsonl"
"""The file's name in the search's folder."""


class JournalError(ValueError):
    """A journal that cannot be used. One line: the file, what is wrong, and the cure."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`of`: what was tried. Either a trial, or why it is skipped."""

    of: str
    trial: Trial | None = None
    skipped: str | None = None


class Journal:
    """The journal in `folder`, for the question that `asked` describes; begun if there is none.

    `what` is looked for, for people ('bisection'), and `option` names the folder. `entries` are those that were there.
    Nobody else can open it while it is open. Raises JournalError for one of another question, that is damaged, or that
    is in use, and OSError.
    """

    def __init__(self, folder: Path, asked: Mapping[str, Any], *, what: str, option: str) -> None:
        self._what, self._option = what, option
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._lock()
            self.entries = list(self._read(dict(asked)))
        except BaseException:
            os.close(self._file)
            raise

    @property
    def next_number(self) -> int:
        """What the next trial is to be called: what is drawn for one that is known is not drawn again."""
        return 1 + max((entry.trial.number for entry in self.entries if entry.trial is not None), default=0)

    def trial(self, of: str, trial: Trial) -> None:
        """Note a trial."""
        self._write({"of": of, "trial": trial.facts()})

    def skip(self, of: str, why: str) -> None:
        """Note that something cannot be tried."""
        self._write({"of": of, "skipped": why})

    def close(self) -> None:
        """Let others have it."""
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(
                f"{self.path}: another {self._what} writes to it; wait for it, or give another {self._option}"
            ) from None

    def _read(self, asked: dict[str, Any]) -> Iterator[Entry]:
        text = self.path.read_bytes()
        whole, _, cut = text.rpartition(b"\n")
        if cut:  # a kill left half a line
            os.ftruncate(self._file, len(text) - len(cut))
        lines = whole.splitlines()
        if not lines:
            self._write({"asked": asked})
            return
        if self._object(lines[0], 1).get("asked") != json.loads(json.dumps(asked)):
            raise JournalError(
                f"{self.path}: is of another {self._what} (another case, other firmware, or begun by another version "
                f"of hil); give another {self._option}, or delete it"
            )
        for number, line in enumerate(lines[1:], 2):
            yield self._entry(self._object(line, number), number)

    def _entry(self, found: Mapping[str, Any], number: int) -> Entry:
        try:
            if "skipped" in found:
                return Entry(found["of"], skipped=found["skipped"])
            return Entry(found["of"], trial=Trial.from_facts(found["trial"]))
        except (KeyError, ValueError, TypeError) as error:
            raise self._damaged(number) from error

    def _object(self, line: bytes, number: int) -> Mapping[str, Any]:
        try:
            found = json.loads(line)
        except ValueError as error:
            raise self._damaged(number) from error
        if not isinstance(found, dict):
            raise self._damaged(number)
        return found

    def _damaged(self, number: int) -> JournalError:
        return JournalError(f"{self.path}: line {number} is damaged; delete that line, or give another {self._option}")

    def _write(self, facts: Mapping[str, Any]) -> None:
        os.write(self._file, (json.dumps(facts, ensure_ascii=False) + "\n").encode())
