"""The files of a run, followed while somebody else writes them.

A timeline's line is flushed as it is written, so what can be read is whole but for the end of the last line. Several
workers have a file each; new ones may come at any time. Nothing is held open between two looks: who writes a file can
then be told by who has it open.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hil.attribution import Attribution
from hil.ports.processes import held
from hil.run_folder import TIMELINE, NoRun, parts_of, timelines_of_workers
from hil.timeline import events_of_line
from hil.watch.row import Row

TAIL = 24 << 20
"""Bytes of each file that are read at first, its end: about what the rows that are kept take."""

CHUNK = 1 << 20
"""Bytes that are read from a file at once, so that there is something to see soon."""


def run_at(path: Path) -> Path:
    """The run's folder or timeline that `path` means: itself, or the newest run in it. Raises NoRun."""
    if path.is_file() or _is_run(path):
        return path
    runs = [one for one in path.iterdir() if _is_run(one)] if path.is_dir() else []
    if not runs:
        found = "nothing" if not path.exists() else "no timeline of a run"
        raise NoRun(f"{path}: found {found}, expected the folder of a run, or a folder with runs in it")
    return max(runs, key=lambda one: max(file.stat().st_mtime for file in _files(one).values()))


def _is_run(path: Path) -> bool:
    return path.is_dir() and bool(_files(path))


def _files(path: Path) -> dict[str, Path]:
    """The timelines of a run, by worker; a run of one process has one of no name, and a night those of its parts."""
    if path.is_file():
        return {"": path}
    found = dict(timelines_of_workers(path))
    for part in parts_of(path):
        found |= {f"{part.name}/{worker}".rstrip("/"): file for worker, file in _files(part).items()}
    own = path / TIMELINE
    return found or ({"": own} if own.exists() else {})


class Follower:
    """Reads what is new in a run. `path`: its folder, or a timeline's file."""

    def __init__(self, path: Path, *, tail: int = TAIL) -> None:
        self.path = path
        self.bad_lines = 0
        self._tail = tail
        self._files: dict[Path, _File] = {}
        self._attribution = Attribution()

    def read(self) -> list[Row]:
        """The rows that came since the last call, at most CHUNK bytes of each file; empty if nothing came.

        Raises OSError where a file can no longer be read.
        """
        for worker, path in _files(self.path).items():
            real = path.resolve()  # when a night is over, links lead to its parts, too
            if real not in self._files:
                self._files[real] = _File(real, worker, self._tail)
        return [row for file in self._files.values() for row in self._rows(file)]

    def _rows(self, file: _File) -> Iterator[Row]:
        for line in file.lines():
            try:
                worker, events = events_of_line(line)
            except ValueError:
                self.bad_lines += 1
                continue
            for event in events:
                if file.began is None:
                    file.began = event.monotonic
                self._attribution.take(event)
                yield Row(event, file.worker or worker, self._attribution.of(event))

    @property
    def began(self) -> float | None:
        """The monotonic time of the run's first event, in seconds; None if there is none yet."""
        return min((file.began for file in self._files.values() if file.began is not None), default=None)

    @property
    def left_out(self) -> int:
        """How many bytes at the beginning were not read, as the files were so long."""
        return sum(file.skipped for file in self._files.values())

    @property
    def unread(self) -> int:
        """How many bytes the files had, at the last look, that are not read yet."""
        return sum(file.unread for file in self._files.values())

    def ended(self) -> bool | None:
        """Whether nobody writes the run any more; None where that cannot be told, as it is another user's."""
        seen = held(Path("/proc"))
        if any(os.path.realpath(file.path) in seen.files for file in self._files.values()):
            return False
        others = any(file.owner != os.getuid() for file in self._files.values())
        return None if seen.hidden and others else True


@dataclass
class _File:
    path: Path
    worker: str
    tail: int
    began: float | None = None
    skipped: int = 0
    unread: int = 0
    owner: int = -1
    _inode: int = 0
    _position: int = 0
    _torn: bytes = b""

    def lines(self) -> Iterator[str]:
        """The whole lines that are new. A file that another has replaced is read from its beginning."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._position:
                    self._inode, self.owner = status.st_ino, status.st_uid
                    self._begin(file, status.st_size)
                file.seek(self._position)
                data = file.read(CHUNK)
        except FileNotFoundError:
            return
        self._position += len(data)
        self.unread = status.st_size - self._position
        *whole, self._torn = (self._torn + data).split(b"\n")
        for line in whole:
            if line.strip():
                yield line.decode("utf-8", "backslashreplace")

    def _begin(self, file: BinaryIO, size: int) -> None:
        self._torn = b""
        self._position = self.skipped = 0
        self.began = None
        if size <= self.tail:
            return
        with contextlib.suppress(ValueError):
            self.began = events_of_line(file.readline().decode("utf-8", "backslashreplace"))[1][0].monotonic
        file.seek(size - self.tail)
        file.readline()  # the rest of the line that this is in the middle of
        self._position = self.skipped = file.tell()
