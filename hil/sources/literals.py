"""String constants as a compiler sees them: each character of the value, and where in the source it came from."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

#: One character of a value: what it is, and the stretch of source that it was written as.
Character = tuple[str, int, int]
Reader = Callable[[re.Match[str]], Iterator[Character]]
Encoder = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a literal: how it is read, and how characters put into it must be written."""

    read: Reader
    encode: Encoder


@dataclass(frozen=True, slots=True)
class Syntax:
    """A language's tokens, as far as strings need them.

    `tokens` is one pattern with named groups: `blank` (white space and comments), `plus`, `newline`, `open` and
    `close` brackets, and a group for each key of `forms`; whatever matches none of them ends a constant. Literals side
    by side are one constant where `adjacent` says so, literals with `plus` between them always.
    """

    tokens: re.Pattern[str]
    forms: Mapping[str, Form]
    adjacent: bool


@dataclass(slots=True)
class Text:
    """One constant, joined of its literals. Entry n of each list tells of the value's character n."""

    characters: list[str] = field(default_factory=list, repr=False)
    starts: list[int] = field(default_factory=list, repr=False)
    ends: list[int] = field(default_factory=list, repr=False)
    encoders: list[Encoder] = field(default_factory=list, repr=False)

    @property
    def value(self) -> str:
        """The constant's value; may hold a private key."""
        return "".join(self.characters)

    def add(self, read: Iterator[Character], encode: Encoder) -> None:
        """Append one literal."""
        for character, start, end in read:
            self.characters.append(character)
            self.starts.append(start)
            self.ends.append(end)
            self.encoders.append(encode)


def constants(source: str, syntax: Syntax) -> Iterator[Text]:
    """Every string constant of the source, in order."""
    text: Text | None = None
    plus, depth, at = False, 0, 0
    while at < len(source):
        match = syntax.tokens.match(source, at)
        group = (match.lastgroup if match else None) or "other"
        at = match.end() if match and match.end() > at else at + 1
        if group in syntax.forms and match:
            if text and not (syntax.adjacent or plus):
                yield text
                text = None
            text = text or Text()
            text.add(syntax.forms[group].read(match), syntax.forms[group].encode)
            plus = False
            continue
        depth += (group == "open") - (group == "close")
        if group == "blank" or (group == "newline" and depth > 0):
            continue
        if group == "plus" and text and not plus:
            plus = True
            continue
        if text:
            yield text
        text, plus = None, False
    if text:
        yield text


def reader(pattern: re.Pattern[str], decode: Callable[[str], str], group: str = "body") -> Reader:
    """A reader of a literal's body: what the pattern matches is one character, or none, as `decode` says."""

    def read(match: re.Match[str]) -> Iterator[Character]:
        at, end = match.span(group)
        while at < end:
            piece = pattern.match(match.string, at, end)
            stop = piece.end() if piece else at + 1
            for character in decode(match.string[at:stop]):
                yield character, at, stop
            at = stop

    return read


class Places:
    """Lines and columns of offsets, both counted from 1, columns in characters."""

    def __init__(self, source: str) -> None:
        """Find the lines once."""
        self._starts = [0, *(m.end() for m in re.finditer(r"\r\n|\r|\n", source))]

    def of(self, offset: int) -> tuple[int, int]:
        """Line and column."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1
