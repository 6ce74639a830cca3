"""Many events kept as they came, and made into events only when somebody looks at them."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from hil.timeline.event import Event, Predicate
from hil.timeline.jsonl import about, members, moment, quoted_lines
from hil.timeline.match import Match

Row = tuple[str, Mapping[str, Any]]
"""Kind and data of an event that is still to be recorded."""


class Burst:
    """Many events of one moment, source and board, kept as they came until somebody looks at them."""

    __slots__ = ("board", "count", "monotonic", "source", "start", "wall")

    def __init__(self, start: int, count: int, source: str, board: str | None) -> None:
        self.start = start
        self.count = count
        self.source = source
        self.board = board
        self.monotonic = time.monotonic()
        self.wall = time.time()

    def events(self) -> list[Event]:
        raise NotImplementedError

    def as_json(self) -> bytes:
        raise NotImplementedError

    def has_kind(self, kind: str) -> bool:
        raise NotImplementedError

    def may_fit(self, match: Predicate | None) -> bool:
        """False if no event of these can match: so that they need not be made to ask."""
        if not isinstance(match, Match):
            return True
        source, kind, board = match.about
        return source in (None, self.source) and board in (None, self.board) and (kind is None or self.has_kind(kind))


class Lines(Burst):
    """Events that differ in their text alone: one text, with newlines between."""

    __slots__ = ("kind", "text")

    def __init__(self, start: int, source: str, kind: str, board: str | None, text: str) -> None:
        super().__init__(start, text.count("\n") + 1, source, board)
        self.kind = kind
        self.text = text

    def events(self) -> list[Event]:
        return [
            Event(sequence, self.monotonic, self.wall, self.source, self.kind, self.board, {"text": line})
            for sequence, line in enumerate(self.text.split("\n"), self.start)
        ]

    def as_json(self) -> bytes:
        shared = moment(self.monotonic, self.wall, self.source)
        head = f'{{"sequence":{self.start},"lines":{self.count}{shared}{about(self.kind, self.board)}'
        return head.encode("utf-8", "backslashreplace") + b'{"text":' + quoted_lines(self.text) + b"}}\n"

    def has_kind(self, kind: str) -> bool:
        return kind == self.kind


class Batch(Burst):
    """Events that each have a kind and data of their own."""

    __slots__ = ("rows",)

    def __init__(self, start: int, source: str, board: str | None, rows: Sequence[Row]) -> None:
        super().__init__(start, len(rows), source, board)
        self.rows = rows

    def events(self) -> list[Event]:
        return [
            Event(sequence, self.monotonic, self.wall, self.source, kind, self.board, data)
            for sequence, (kind, data) in enumerate(self.rows, self.start)
        ]

    def as_json(self) -> bytes:
        shared = moment(self.monotonic, self.wall, self.source)
        lines = [
            f'{{"sequence":{sequence}{shared}{about(kind, self.board)}{{{members(data)}}}}}\n'
            for sequence, (kind, data) in enumerate(self.rows, self.start)
        ]
        return "".join(lines).encode("utf-8", "backslashreplace")

    def has_kind(self, kind: str) -> bool:
        return any(kind == one for one, _ in self.rows)


class Record:
    """The events in order of sequence: lists of events, and bursts that become such a list when they are read."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._parts: list[list[Event] | Burst] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, event: Event) -> None:
        if not self._parts or isinstance(self._parts[-1], Burst):
            self._starts.append(self._length)
            self._parts.append([])
        part = self._parts[-1]
        assert isinstance(part, list)
        part.append(event)
        self._length += 1

    def append_burst(self, burst: Burst) -> None:
        self._starts.append(self._length)
        self._parts.append(burst)
        self._length += burst.count

    def window(self, after: int, before: int | None, match: Predicate | None = None) -> list[Event]:
        """The events of [after, before), less such bursts as `match` cannot fit: what may match, not what does."""
        first, last, _ = slice(after, before).indices(self._length)
        found: list[Event] = []
        if first >= last:
            return found
        for index in range(bisect_right(self._starts, first) - 1, len(self._parts)):
            start = self._starts[index]
            if start >= last:
                break
            part = self._parts[index]
            if isinstance(part, Burst):
                if not part.may_fit(match):
                    continue
                self._parts[index] = part = part.events()
            if start >= first and start + len(part) <= last:
                found += part
            else:
                found += part[max(0, first - start) : last - start]
        return found
