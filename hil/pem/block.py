"""The anatomy of one PEM block: its marks, its lines, the data in it, and its clean form."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hil.sources import Found, Kind

WIDTH = 64  # characters of base64 on a line, in the strict form (RFC 7468, figure 3)

_LINE_END = re.compile(r"\r\n|\n|\r|\\r\\n|\\n")
_BASE64 = re.compile(r"[A-Za-z0-9+/=]+")
_HEADER = re.compile(r"[A-Za-z0-9-]+: ?")

#: One character of a clean form, and its place in the value that it comes from; None where it has to be added.
Kept = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line between the marks: its stretch of the value, and the line's end as the value has it."""

    start: int
    stop: int
    text: str = field(repr=False)
    end: str

    @property
    def base64(self) -> bool:
        """Whether there is nothing but base64 and white space."""
        return _BASE64.fullmatch("".join(self.text.split())) is not None


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a constant's value.

    `begin` and `end` are the marks' stretches of the value, end None where there is no END mark. `before` is where the
    previous block ends (0 before the first), `after` where the next begins. `quoted`: the block stands in quotes of
    another format, such as JSON, whose own rules say how it is written.
    """

    found: Found
    value: str = field(repr=False)
    begin: tuple[int, int]
    end: tuple[int, int] | None
    before: int
    after: int
    quoted: bool
    lines: list[Line] = field(repr=False)
    headers: list[Line] = field(repr=False)

    @property
    def stop(self) -> int:
        """Just behind the END mark, or behind the last line where there is none."""
        return self.end[1] if self.end else self.found.last

    @property
    def data(self) -> list[Line]:
        """The lines that hold something, headers left out."""
        return [line for line in self.lines if line.text.strip() and line not in self.headers]

    def lines_of_base64(self) -> list[Line]:
        """The lines that belong to the contents; where those are damaged, all that look like base64."""
        places = set(self.kept() or range(len(self.value)))
        return [line for line in self.data if line.base64 and not places.isdisjoint(range(line.start, line.stop))]

    def kept(self) -> list[int] | None:
        """The places of the base64 that make up the block's contents, or None where it is damaged beyond repair."""
        sound = [line for line in self.data if line.base64]
        unbroken = [line for line in sound if not re.search(r"\s", line.text.strip())]
        for lines in (sound, unbroken):
            places = [n for line in lines for n in range(line.start, line.stop) if not self.value[n].isspace()]
            if self._whole("".join(self.value[n] for n in places)):
                return places
        return None

    def contents(self) -> bytes | None:
        """What the base64 stands for, or None where it is damaged."""
        places = self.kept()
        return None if places is None else base64.b64decode("".join(self.value[n] for n in places))

    def clean(self) -> list[Kept] | None:
        """The block in the strict form, or None where nobody could say what it should be."""
        places = self.kept()
        if places is None:
            return None
        mark = f"-----END {self.found.label}-----"
        ends = list(range(*self.end)) if self.end else [None] * len(mark)
        lines: list[list[Kept]] = [[(self.value[n], n) for n in range(*self.begin)]]
        lines += [[(self.value[n], n) for n in range(h.start, h.start + len(h.text.rstrip()))] for h in self.headers]
        lines += [[]] if self.headers else []
        lines += [[(self.value[n], n) for n in places[at : at + WIDTH]] for at in range(0, len(places), WIDTH)]
        lines += [list(zip(mark, ends, strict=True))]
        return [kept for line in lines for kept in self._ended(line)]

    def _ended(self, line: list[Kept]) -> Iterator[Kept]:
        """The line and a line feed: the one that follows in the value, or a new one."""
        yield from line
        at = next((n + 1 for _, n in reversed(line) if n is not None), len(self.value))
        while at < len(self.value) and self.value[at] in " \t\r":
            at += 1
        yield ("\n", at if self.value.startswith("\n", at) else None)

    def _whole(self, text: str) -> bool:
        """Whether this is base64 of one whole DER element; of an encrypted key with headers, base64 at all."""
        try:
            contents = base64.b64decode(text, validate=True)
        except binascii.Error:
            return False
        return bool(contents) and (bool(self.headers) or der_length(contents) == len(contents))


def der_length(contents: bytes) -> int | None:
    """How long the DER element says that it is, its own header included; None where that cannot be read."""
    if len(contents) < 2:
        return None
    first = contents[1]
    if first < 0x80:
        return 2 + first
    size = first & 0x7F
    if not 1 <= size <= 4 or len(contents) < 2 + size:
        return None
    return 2 + size + int.from_bytes(contents[2 : 2 + size], "big")


def blocks(founds: list[Found]) -> list[Block]:
    """The anatomy of all the blocks of one constant."""
    if not founds:
        return []
    value = founds[0].text.value
    made: list[Block] = []
    for number, found in enumerate(founds):
        begin = (found.first, value.index("-----", found.first + 5) + 5)
        end = None
        if found.closed:
            start = value.rindex("-----END ", begin[1], found.last)
            end = (start, value.index("-----", start + 5) + 5)
        after = founds[number + 1].first if number + 1 < len(founds) else len(value)
        lines = list(_lines(value, begin[1], end[0] if end else found.last))
        quoted = value[: found.first].rstrip().endswith(('"', "'"))
        before = made[-1].stop if made else 0
        headers = _headers(lines) if found.kind is Kind.PRIVATE_KEY else []
        made.append(Block(found, value, begin, end, before, after, quoted, lines, headers))
    return made


def _lines(value: str, start: int, stop: int) -> Iterator[Line]:
    while start < stop:
        match = _LINE_END.search(value, start, stop)
        ends_at, next_at = match.span() if match else (stop, stop)
        yield Line(start, ends_at, value[start:ends_at], value[ends_at:next_at])
        start = next_at


def _headers(lines: list[Line]) -> list[Line]:
    """The header lines of an encrypted key in OpenSSL's old form (RFC 1421): Proc-Type and what follows it."""
    headers: list[Line] = []
    for line in lines:
        if not line.text.strip():
            if headers:
                break
        elif not _HEADER.match(line.text) or not (headers or line.text.startswith("Proc-Type")):
            break
        else:
            headers.append(line)
    return headers
