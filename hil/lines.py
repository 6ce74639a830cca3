"""A console's stream as lines, and the search in it: bytes in, lines and matches out; no port, no thread, no clock.

What a line is. CR LF, LF and a lone CR end one; CR CR LF ends one only, since two layers that each turn LF into CR LF
make it. The stream that is kept and searched has a single LF in place of each. A CR that came last waits for what
follows, so that the same bytes make the same lines however they were cut up on their way.

What is searched. Text is searched in the stream as it grows, the unfinished last line included, and may span lines
("one\\ntwo"). A regular expression is searched line by line and never sees past the end of one. Nothing is searched
twice but the unfinished line.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# A line longer than this becomes several, so that a board that prints no line end cannot use up the memory.
LONGEST_LINE = 65536
# How much of the stream is kept for a search that reaches back; the log file has it all.
KEPT = 64 * 1024 * 1024

_LINE_ENDS = re.compile(rb"\r+\n|\r")
_LONE_RETURN = re.compile(rb"\r(?!\n)")

Pattern = str | bytes | re.Pattern[str] | re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in one console's stream; from `Console.mark()`."""

    offset: int


@dataclass(slots=True)
class Block:
    """Whole lines that were recorded together: their bytes, the offset of the first, and its event's number."""

    offset: int
    data: bytes
    first_event: int

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


class Stream:
    """The received bytes with their line ends made equal: `blocks` of whole lines and the unfinished `partial`.

    `feed` tells what has become whole; whoever records it gives it back to `keep` with the number of its event, and
    sets `partial` to what is left.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.partial = b""
        self._offset = 0
        self._kept = 0
        self._returns = b""

    @property
    def end(self) -> int:
        """The offset behind the newest byte."""
        return self._offset + len(self.partial)

    @property
    def start(self) -> int:
        """The offset of the oldest byte that is still kept."""
        return self.blocks[0].offset if self.blocks else self._offset

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The lines that `data` makes whole, each with its newline, and the unfinished line after them.

        A search sees nothing of it until the lines are given to `keep` and the rest to `partial`.
        """
        data = self._returns + data
        body = data.rstrip(b"\r")
        self._returns = data[len(body) :]
        if b"\r" in body:
            # Nearly always CR LF and nothing else: then to drop every CR is the quickest way.
            body = _LINE_ENDS.sub(b"\n", body) if _LONE_RETURN.search(body) else body.replace(b"\r", b"")
        return self._cut(body)

    def finish(self) -> tuple[bytes, bytes]:
        """Like `feed`, for the end of the connection: the unfinished line is whole now, nothing comes after it."""
        body = b"\n" * (len(self._returns) or bool(self.partial))
        self._returns = b""
        return self._cut(body)

    def _cut(self, body: bytes) -> tuple[bytes, bytes]:
        cut = body.rfind(b"\n") + 1
        if cut == 0:
            return b"", self.partial + body
        return self.partial + body[:cut], body[cut:]

    def keep(self, whole: bytes, first_event: int) -> None:
        """Append `whole` lines, whose first has event number `first_event`. What remains is for `partial`."""
        self.blocks.append(Block(self._offset, whole, first_event))
        self._offset += len(whole)
        self._kept += len(whole)
        while self._kept > KEPT and len(self.blocks) > 1:
            self._kept -= len(self.blocks.pop(0).data)

    def since(self, offset: int) -> bytes:
        """The bytes from `offset` to the end; from the oldest kept if that is later."""
        pieces = [self.partial[max(0, offset - self._offset) :]]
        for block in reversed(self.blocks):
            if block.end <= offset:
                break
            pieces.append(block.data[max(0, offset - block.offset) :])
        return b"".join(reversed(pieces))

    def pieces(self, offset: int) -> Iterator[tuple[int, bytes, bool]]:
        """(offset, bytes, whether unfinished) of each block from `offset` on, then of the unfinished line."""
        for block in self._blocks_from(offset):
            yield max(offset, block.offset), block.data[max(0, offset - block.offset) :], False
        if self.partial:
            yield self._offset, self.partial, True

    def line_start(self, offset: int) -> int:
        """The offset at which the line that holds `offset` begins."""
        block = self._block(offset)
        if block is None:
            return self._offset
        return block.offset + block.data.rfind(b"\n", 0, offset - block.offset) + 1

    def event_at(self, offset: int) -> int | None:
        """The number of the event of the line that holds `offset`; None while the line is unfinished."""
        block = self._block(offset)
        if block is None:
            return None
        return block.first_event + block.data.count(b"\n", 0, offset - block.offset)

    def events(self, offset: int) -> Iterator[range]:
        """The event numbers of the whole lines from the one that holds `offset` on."""
        for block in self._blocks_from(offset):
            skipped = block.data.count(b"\n", 0, max(0, offset - block.offset))
            count = block.data.count(b"\n") + (not block.data.endswith(b"\n"))
            yield range(block.first_event + skipped, block.first_event + count)

    def _block(self, offset: int) -> Block | None:
        if offset >= self._offset or not self.blocks:
            return None
        return self.blocks[self._index(offset)]

    def _blocks_from(self, offset: int) -> list[Block]:
        return self.blocks[self._index(offset) :] if offset < self._offset else []

    def _index(self, offset: int) -> int:
        return max(0, bisect_right(self.blocks, offset, key=lambda block: block.offset) - 1)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a pattern was found: offsets in the stream, the text, its groups. `open_end`: more input may extend it."""

    start: int
    end: int
    text: str
    groups: tuple[str | None, ...]
    named: dict[str, str | None]
    open_end: bool = False


class Search:
    """One pattern on its way along a stream; call `step` whenever the stream has grown."""

    def __init__(self, pattern: Pattern, offset: int) -> None:
        self._pattern = pattern
        self._offset = offset
        if isinstance(pattern, str):
            self._needle = pattern.replace("\r\n", "\n").encode("utf-8")
        elif isinstance(pattern, bytes):
            self._needle = pattern.replace(b"\r\n", b"\n")
        elif isinstance(pattern, re.Pattern):
            self._needle = b""
            return
        else:
            raise TypeError(f"a pattern is text, bytes or a compiled regular expression, not {pattern!r}")
        if not self._needle:
            raise ValueError("an empty pattern is found everywhere: give some text")

    def step(self, stream: Stream) -> Found | None:
        """The first match in what is new, or None; a Found with `open_end` may be asked for again as the line grows."""
        if self._needle:
            return self._find_text(stream)
        return self._find_regex(stream)

    def _find_text(self, stream: Stream) -> Found | None:
        begin = max(self._offset, stream.start)
        window = stream.since(begin)
        at = window.find(self._needle)
        if at < 0:
            self._offset = max(begin, stream.end - len(self._needle) + 1)
            return None
        return Found(begin + at, begin + at + len(self._needle), _text(self._needle), (), {})

    def _find_regex(self, stream: Stream) -> Found | None:
        begin = stream.line_start(max(self._offset, stream.start))
        for offset, data, unfinished in stream.pieces(begin):
            lines = data.split(b"\n")
            if lines[-1] == b"":
                lines.pop()
            for line in lines:
                found = self._in_line(line, offset, max(0, self._offset - offset), unfinished)
                if found is not None:
                    return found
                offset += len(line) + 1
            if not unfinished:
                self._offset = max(self._offset, min(offset, stream.end))
        return None

    def _in_line(self, line: bytes, begin: int, skip: int, unfinished: bool) -> Found | None:
        pattern: Any = self._pattern
        if isinstance(pattern.pattern, bytes):
            size = len(line)
            match = pattern.search(line, skip)
        else:
            text = codecs.utf_8_decode(line, "backslashreplace", not unfinished)[0]
            size = len(text)
            match = pattern.search(text, len(_text(line[:skip])) if skip else 0)
        if match is None:
            return None
        start, end = match.start(), match.end()
        if isinstance(pattern.pattern, str):
            start, end = _byte_offset(line, start), _byte_offset(line, end)
        return Found(
            begin + start,
            begin + end,
            _text(match.group()),
            tuple(None if group is None else _text(group) for group in match.groups()),
            {name: None if group is None else _text(group) for name, group in match.groupdict().items()},
            open_end=unfinished and match.end() == size,
        )


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _byte_offset(line: bytes, position: int) -> int:
    """Which byte of `line` has the character at `position` of its text, \\xNN there standing for one bad byte."""
    if line.isascii():
        return position
    characters = size = 0
    for character in line.decode("utf-8", "surrogateescape"):
        if characters >= position:
            break
        escaped = "\udc80" <= character <= "\udcff"
        characters += 4 if escaped else 1
        size += 1 if escaped else len(character.encode("utf-8"))
    return size
