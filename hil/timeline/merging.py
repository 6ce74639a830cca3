"""The timelines of several processes of one host as one: in order of time, numbered anew, each event with its worker.

time.monotonic() is one clock for all processes of a host (CLOCK_MONOTONIC, clock_gettime(2)), so it gives the order.
Lines are not taken apart but for their heads, and one line of each timeline is in memory at a time: half a million
events take some seconds.
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from pathlib import Path

# How `Timeline` begins each line: an event, or several ("lines") that came in one read.
_HEAD = re.compile(rb'\{"sequence":\d+(,"lines":(\d+))?,("monotonic":([-+.0-9e]+),)')
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Merged:
    """What `merge` made: how many events of which workers. `cut_off`: whose last line was not whole, and left out."""

    events: int
    workers: tuple[str, ...]
    cut_off: tuple[str, ...]


def merge(parts: Mapping[str, Path], into: Path) -> Merged:
    """Write the timelines `parts`, by the names of their workers, as one to `into`, which is replaced when it is whole.

    Events of one worker stay in their order. A last line that was cut off by a kill is left out. Raises ValueError
    naming the file and the line for anything else that is not an event, OSError for files that cannot be used.
    """
    cut_off: list[str] = []
    lines = [_lines(name, path, rank, cut_off) for rank, (name, path) in enumerate(parts.items())]
    labels = [f',"worker":{encode_basestring(name)}'.encode() for name in parts]
    half_done = into.with_name(f"{into.name}.{os.getpid()}.part")
    sequence = 0
    try:
        with open(os.open(half_done, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb", _BUFFER) as out:
            for _, rank, count, rest in heapq.merge(*lines, key=_moment):
                several = b',"lines":%d' % count if count else b""
                out.write(b'{"sequence":%d%b%b,%b' % (sequence, several, labels[rank], rest))
                sequence += count or 1
        half_done.replace(into)
    finally:
        half_done.unlink(missing_ok=True)
    return Merged(sequence, tuple(parts), tuple(cut_off))


_Line = tuple[float, int, int, bytes]
"""Monotonic seconds, whose, how many lines of text it stands for (0: none), and the line from "monotonic" on."""


def _moment(line: _Line) -> tuple[float, int]:
    return line[:2]


def _lines(name: str, path: Path, rank: int, cut_off: list[str]) -> Iterator[_Line]:
    with path.open("rb", _BUFFER) as file:
        for number, line in enumerate(file, 1):
            head = _HEAD.match(line)
            if not line.endswith(b"}\n"):
                if not line.endswith(b"\n"):
                    cut_off.append(name)
                    return
                head = None
            if head is None:
                raise ValueError(f"{path}:{number}: not an event of a timeline (found {line[:40]!r})")
            yield float(head[4]), rank, int(head[2] or 0), line[head.start(3) :]
