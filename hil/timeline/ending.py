"""The end of a timeline whose run has died: what was torn off is taken away, and the last events are appended."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from hil.timeline.event import Event
from hil.timeline.jsonl import about, members, moment

_BLOCK = 1 << 16


def end(path: Path, events: Sequence[Event]) -> int:
    """Append these events, numbered on from what is there, and have the file on the disk.

    A last line that is not whole is cut off first; returns how many bytes that were. Nobody else may be writing.
    Raises OSError, ValueError for a file that is no timeline.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        whole = _newline_before(descriptor, size) + 1
        sequence = _next(descriptor, whole, path)
        torn = size - whole
        os.ftruncate(descriptor, whole)
        lines = []
        for number, event in enumerate(events, sequence):
            head = f'{{"sequence":{number}{moment(event.monotonic, event.wall, event.source)}'
            lines.append(f"{head}{about(event.kind, event.board)}{{{members(event.data)}}}}}\n")
        data = "".join(lines).encode("utf-8", "backslashreplace")
        while data:
            written = os.pwrite(descriptor, data, whole)
            data, whole = data[written:], whole + written
        os.fsync(descriptor)
        return torn
    finally:
        os.close(descriptor)


def _next(descriptor: int, whole: int, path: Path) -> int:
    """The sequence number that follows the last whole line."""
    if not whole:
        return 0
    start = _newline_before(descriptor, whole - 1) + 1
    try:
        last = json.loads(os.pread(descriptor, whole - start, start))
        return int(last["sequence"]) + int(last.get("lines", 1))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: its last line is not an event of a timeline ({error})") from error


def _newline_before(descriptor: int, position: int) -> int:
    """Where the last newline before `position` is; -1 if there is none."""
    while position > 0:
        start = max(0, position - _BLOCK)
        found = os.pread(descriptor, position - start, start).rfind(b"\n")
        if found >= 0:
            return start + found
        position = start
    return -1
