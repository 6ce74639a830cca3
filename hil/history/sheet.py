"""Lines and tables set to a terminal's width; where it is none, in a pipe or a file, nothing is wrapped or cut."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Final, TextIO

from rich.cells import cell_len
from rich.console import Console as Screen
from rich.text import Text

from hil.timeline.event import shown

NARROWEST: Final = 40
"""Columns below which nothing is set any narrower: such a terminal breaks the lines itself."""

_UNBOUND: Final = 1_000_000
"""A width that nothing reaches, for what is no terminal."""
_GAP: Final = 2
_LEAST: Final = 8
"""Columns to which a table's column may be narrowed."""
_LONGEST: Final = 1000
"""Characters of a text that are shown."""


def words(text: str, style: str = "") -> Text:
    """What boards and tests say is text, and neither markup nor an escape sequence."""
    return Text(shown(text, _LONGEST), style=style)


class Sheet:
    """Prints to `stream`. `width`: the columns of the terminal; None where it is none."""

    def __init__(self, width: int | None, stream: TextIO | None = None) -> None:
        self.width = None if width is None else max(NARROWEST, width)
        self._screen = Screen(file=stream, highlight=False, width=self.width or _UNBOUND)

    @classmethod
    def of_stdout(cls) -> Sheet:
        """As wide as the terminal; $COLUMNS says otherwise."""
        return cls(shutil.get_terminal_size().columns if sys.stdout.isatty() else None)

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it through a window of some size."""
        return self.width is not None

    def room(self, taken: int) -> int:
        """The columns that are left of a line; never less than none."""
        return max(0, (self.width or _UNBOUND) - taken)

    def line(self, text: Text | str = "", *, indent: int = 0, hang: int = 0) -> None:
        """A paragraph; `hang`: how much further its second line is indented than its first."""
        text = words(text) if isinstance(text, str) else text
        first, *rest = self._wrapped(text, self.room(indent), hang)
        for number, part in enumerate([first, *rest]):
            self._put(Text(" " * (indent + (hang if number else 0))) + part)

    def heading(self, text: str, more: str = "") -> None:
        """A part begins; `more` is said beside it in a low voice."""
        self.line()
        self.line(words(text, "bold") + Text("  " if more else "") + words(more, "dim"), hang=2)

    def fits(self, rows: Sequence[Sequence[Text | str]], heads: Sequence[str] = (), indent: int = 2) -> bool:
        """Whether a table has room for each row in one line."""
        widths = _widths(_filled(rows, heads))
        return sum(widths) + _GAP * (len(widths) - 1) <= self.room(indent)

    def entry(self, name: Text | str, what: Text | str, *more: str, first: int, indent: int = 2) -> None:
        """What else is a row, where a table has no room: below `what`, beside a `name` of `first` columns, is more."""
        name = words(name) if isinstance(name, str) else name
        beside = name + Text(" " * (first - cell_len(name.plain) + _GAP))
        self.line(beside + (words(what) if isinstance(what, str) else what), indent=indent, hang=first + _GAP)
        for paragraph in filter(None, more):
            self.line(words(paragraph, "dim"), indent=indent + first + _GAP, hang=2)

    def table(
        self,
        rows: Sequence[Sequence[Text | str]],
        *,
        heads: Sequence[str] = (),
        right: Sequence[int] = (),
        firm: Sequence[int] = (),
        indent: int = 2,
    ) -> None:
        """Rows in columns, those of `right` flush right.

        Where there is no room the widest are narrowed, the `firm` ones last.
        """
        filled = _filled(rows, heads)
        widths = _widths(filled)
        self._narrow(widths, indent, firm)
        for row in filled:
            self._row(row, widths, right, indent)

    def _narrow(self, widths: list[int], indent: int, firm: Sequence[int]) -> None:
        over = sum(widths) + _GAP * (len(widths) - 1) - self.room(indent)
        yielding = [number for number in range(len(widths)) if number not in firm]
        for numbers, least in ((yielding, _LEAST), (range(len(widths)), _LEAST), (range(len(widths)), 1)):
            while over > 0 and numbers:
                widest = max(numbers, key=widths.__getitem__)
                if widths[widest] <= least:
                    break
                widths[widest] -= 1
                over -= 1

    def _row(self, row: Sequence[Text], widths: Sequence[int], right: Sequence[int], indent: int) -> None:
        cells = [self._wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        for height in range(max(map(len, cells))):
            line = Text(" " * indent)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
                part = cell[height] if height < len(cell) else Text()
                space = Text(" " * (width - cell_len(part.plain)))
                line += (space + part if number in right else part + space) + Text(" " * _GAP)
            self._put(line)

    def _wrapped(self, text: Text, width: int, hang: int = 0) -> list[Text]:
        """Broken at its words; a word that is too long within itself."""
        if cell_len(text.plain) <= width:
            return [text]
        lines = list(self._wrap(text, width))
        if hang and len(lines) > 1:
            rest = text[len(lines[0].plain) :]
            start = len(rest.plain) - len(rest.plain.lstrip())
            lines[1:] = self._wrap(rest[start:], max(1, width - hang))
        return lines

    def _wrap(self, text: Text, width: int) -> Iterator[Text]:
        for part in text.wrap(self._screen, max(1, width)):
            part.rstrip()
            yield part

    def _put(self, text: Text) -> None:
        text.rstrip()
        self._screen.print(text, soft_wrap=True)


def _filled(rows: Sequence[Sequence[Text | str]], heads: Sequence[str]) -> list[list[Text]]:
    filled = [[words(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    return [[words(head, "dim") for head in heads], *filled] if heads else filled


def _widths(rows: Sequence[Sequence[Text]]) -> list[int]:
    return [max(cell_len(cell.plain) for cell in column) for column in zip(*rows, strict=True)]
