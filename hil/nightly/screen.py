"""A night on one screen: 80 columns, 24 lines, whatever happened."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from hil.nightly.wording import Section, Told
from hil.report.legible import legible

WIDTH: Final = 80
HEIGHT: Final = 24
"""A terminal's, as it was and is where nobody changes it; and what a mail shows without scrolling. One line is left for
the prompt."""
_BOARDS: Final = 6
"""Rows of the table that are shown, the worst ones first."""


def on_screen(told: Told) -> str:
    """The text, each line of at most WIDTH characters, HEIGHT - 1 lines."""
    head = [told.headline, told.facts, "", *(_table(told.rows) if told.rows else ())]
    room = HEIGHT - 1 - len(head) - len(told.end)
    lines = [*head, *_sections(told.sections, room), *told.end]
    return "".join(f"{_cut(line)}\n" for line in lines)


def _cut(line: str) -> str:
    line = legible(line)
    # The end of a path says more than its begin.
    if line.startswith("report: ") and len(line) > WIDTH:
        return "report: …" + line[-(WIDTH - 9) :]
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *boards = rows
    worst = sorted(boards, key=lambda row: not any("!" in cell or cell == "-" for cell in row[1:]))
    shown = [head, *worst[:_BOARDS]]
    widths = [max(len(row[n]) for row in shown) for n in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
    more = len(boards) - _BOARDS
    return [*lines, f"and {more} more board{'s' * (more > 1)}"] if more > 0 else lines


def _sections(sections: Sequence[Section], room: int) -> list[str]:
    """As many entries of each as fit, a line each: one of each first, then more from the top down. Where there is room
    left, the first entries get the lines that they need."""
    shown = [0] * len(sections)
    left = room - len(sections)
    while left > 0 and any(number < len(section.entries) for number, section in zip(shown, sections, strict=True)):
        for index, section in enumerate(sections):
            if left > 0 and shown[index] < len(section.entries):
                shown[index] += 1
                left -= 1
    lines = []
    for number, section in zip(shown, sections, strict=True):
        lines.append(_heading(section, number))
        for entry in section.entries[:number]:
            wrapped = _wrapped(entry, left + 1)
            left -= len(wrapped) - 1
            lines += wrapped
    return lines[:room]


def _heading(section: Section, shown: int) -> str:
    fewer = ", not all shown" if shown < len(section.entries) else ""
    count = f" ({section.total}{fewer}):"
    return section.title[: WIDTH - len(count)] + count


def _wrapped(entry: str, most: int) -> list[str]:
    """An entry in at most so many lines, and at most three; what does not fit is left out."""
    lines = max(1, min(3, most))
    text, indent = legible(entry), "    "
    return textwrap.wrap(
        text, WIDTH, initial_indent="  ", subsequent_indent=indent, max_lines=lines, placeholder="…"
    ) or ["  "]
