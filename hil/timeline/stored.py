"""A timeline's file as a sequence of events, of which only their places are in memory: some 40 bytes a line.

    for worker, events in stored(path).items():
        first, last = events.span(began, ended)
        for event in events.window(first, last, lambda source, kind, board: board == "esp32-a"):
            ...

A line is read when its event is asked for, and again when it is asked for again. Which events there are, of whom, when
and of what kind is known from the lines' heads, so what nobody wants is not even read.
"""

from __future__ import annotations

import os
import re
import weakref
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from json import dumps, loads
from pathlib import Path
from typing import overload

from hil.timeline.event import Event
from hil.timeline.jsonl import events_of_line

Wanted = Callable[[str, str, str | None], bool]
"""Whether events of this source, kind and board are wanted."""

_TEXT = rb'"[^"\\]*"'
# How `Timeline` and `merge` begin each line, up to its data; group 5 is source, kind and board. A name that holds an
# escape is read the slow way.
_HEAD = re.compile(
    rb'\{"sequence":(\d+)(?:,"lines":(\d+))?(?:,"worker":(%b))?,"monotonic":([-+.0-9e]+),"wall":[-+.0-9e]+'
    rb',("source":%b,"kind":%b,"board":(?:null|%b)),"data":\{' % (_TEXT, _TEXT, _TEXT, _TEXT)
)


class _File:
    """An open file, whose lines stay where they are even if another file takes its name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, offset: int, size: int) -> str:
        return os.pread(self._descriptor, size, offset).decode("utf-8")


class Stored(Sequence[Event]):
    """The events of one worker in a timeline's file, or all of a run of one process."""

    def __init__(self, file: _File, kinds: list[tuple[str, str, str | None]]) -> None:
        self._file = file
        self._kinds = kinds
        self._count = 0
        # By line: where it begins and how long it is, the index of its first event, that one's number, the time of all
        # of them in monotonic seconds, and what they are about, as an index into `_kinds`.
        self._offsets, self._sizes = array("Q"), array("L")
        self._firsts, self._numbers = array("Q"), array("Q")
        self._times, self._abouts = array("d"), array("L")

    def _add(self, offset: int, size: int, count: int, number: int, time: float, about: int) -> None:
        self._offsets.append(offset)
        self._sizes.append(size)
        self._firsts.append(self._count)
        self._numbers.append(number)
        self._times.append(time)
        self._abouts.append(about)
        self._count += count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if isinstance(index, slice):
            first, last, step = index.indices(self._count)
            return list(self.window(first, last)) if step == 1 else [self[at] for at in range(first, last, step)]
        at = index + self._count if index < 0 else index
        if not 0 <= at < self._count:
            raise IndexError(index)
        return next(self.window(at, at + 1))

    def __iter__(self) -> Iterator[Event]:
        return self.window(0, self._count)

    def window(self, first: int, last: int, wanted: Wanted | None = None) -> Iterator[Event]:
        """The events of the indices [first, last), or those of them that are `wanted`.

        Raises ValueError naming the file for a line that is damaged behind its head.
        """
        chosen = None if wanted is None else [wanted(*kind) for kind in self._kinds]
        line = max(0, bisect_right(self._firsts, first) - 1)
        for at in range(line, len(self._firsts)):
            start = self._firsts[at]
            if start >= last:
                return
            if chosen is None or chosen[self._abouts[at]]:
                found = self._events(at)
                yield from (
                    found
                    if start >= first and start + len(found) <= last
                    else found[max(0, first - start) : last - start]
                )

    def kinds(self) -> set[tuple[str, str, str | None]]:
        """Source, kind and board of all events that there are."""
        return {self._kinds[about] for about in set(self._abouts)}

    def span(self, began: float, ended: float) -> tuple[int, int]:
        """Indices: of the first event at or after `began`, and behind the last one up to `ended` (monotonic)."""
        return self._first_of(bisect_left(self._times, began)), self._first_of(bisect_right(self._times, ended))

    def position(self, number: int) -> int:
        """The index of the first event whose sequence number is `number` or higher; how many there are if none is."""
        line = bisect_right(self._numbers, number) - 1
        if line < 0:
            return 0
        after = self._first_of(line + 1)
        return min(self._firsts[line] + number - self._numbers[line], after)

    def number(self, index: int) -> int:
        """The sequence number of the event of that index, which must be there."""
        line = bisect_right(self._firsts, index) - 1
        return self._numbers[line] + index - self._firsts[line]

    def _first_of(self, line: int) -> int:
        return self._firsts[line] if line < len(self._firsts) else self._count

    def _events(self, line: int) -> list[Event]:
        try:
            return events_of_line(self._file.read(self._offsets[line], self._sizes[line]))[1]
        except ValueError as error:
            number = self._numbers[line]
            raise ValueError(f"{self._file.path}: #{number}: not an event of a timeline ({error})") from error


def stored(path: Path) -> dict[str, Stored]:
    """What a timeline wrote, or `merge` made, by the names of workers; all under "" where none is named.

    A last line that was cut off by a kill is left out. Raises ValueError naming the file and the line for anything else
    that does not begin and end as an event does, OSError.
    """
    file = _File(path)
    kinds: list[tuple[str, str, str | None]] = []
    known: dict[bytes, int] = {}
    found: dict[str, Stored] = {}
    offset = 0
    with path.open("rb", 1 << 20) as lines:
        for number, line in enumerate(lines, 1):
            try:
                worker, about, row = _row(line)
            except ValueError as error:
                if not line.endswith(b"\n"):
                    break
                raise ValueError(f"{path}:{number}: not an event of a timeline ({error})") from error
            if row is not None:
                if about not in known:
                    known[about] = len(kinds)
                    told = loads(b"{" + about + b"}")
                    kinds.append((told["source"], told["kind"], told["board"]))
                if worker not in found:
                    found[worker] = Stored(file, kinds)
                found[worker]._add(offset, len(line), *row, known[about])
            offset += len(line)
    return found or {"": Stored(file, kinds)}


def _row(line: bytes) -> tuple[str, bytes, tuple[int, int, float] | None]:
    """Worker, what it is about, and count, number and time of a line; no row for an empty one."""
    if not line.strip():
        return "", b"", None
    head = _HEAD.match(line)
    if head is not None and line.endswith(b"}\n"):
        worker = loads(head[3]) if head[3] else ""
        return worker, head[5], (int(head[2] or 1), int(head[1]), float(head[4]))
    worker, events = events_of_line(line.decode("utf-8"))  # made by hand, or the last one
    first = events[0]
    told = dumps({"source": first.source, "kind": first.kind, "board": first.board}, separators=(",", ":"))
    return worker, told[1:-1].encode(), (len(events), first.sequence, first.monotonic)
