"""The lines above and below the events, as text: what is watched, where each board stands, what is shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from hil.watch.line import STYLES, fit
from hil.watch.looking import Looking
from hil.watch.source import BEHIND, LIVE
from hil.watch.standing import Standing

SAID_LINES = 6
"""Lines that `said` may take, of those that events are shown in."""

_DIM = Style(dim=True)
_LINK = 20
"""Cells for how far a board's connection is and since when; few words need more."""


def top(title: str, state: str, looking: Looking, width: int) -> Text:
    """What is watched, and whether the newest event is on the screen."""
    if looking.paused:
        right = f"‖ paused, {looking.waiting} waiting"
    elif looking.following or not looking.view:
        right = f"▶ {state}" if state in (LIVE, BEHIND) else f"■ {state}"
    else:
        right = f"↑ {len(looking.view) - looking.cursor - 1} below"
        right += "" if state == LIVE else f", {state}"
    left = f" hil watch  {title}"
    room = width - len(right) - 2
    left = left if len(left) <= room else left[: max(0, room - 1)] + "…"
    return Text(f"{left:<{room}} {right} ", style=Style(reverse=True), no_wrap=True)


def board(
    number: int,
    standing: Standing,
    *,
    chosen: bool,
    alone: bool,
    now: float | None,
    width: int,
    column: int = 12,
    doing: str = "",
) -> Text:
    """Where one board stands. `now`: for how long it has stood there; `doing`: what is done to it from here.

    `width` of the line, and of the `column` with the board's name, in cells.
    """
    mark = "▸" if chosen else " "
    power = {True: "on ", False: "off", None: "?  "}[standing.power]
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{mark}{number} {fit(standing.board, column)}", Style(bold=chosen, underline=alone))
    text.append(" power ", _DIM)
    text.append(power, Style(color="magenta") if standing.power else _DIM)
    text.append("  ")
    began = len(text)
    text.append(standing.link, STYLES[standing.tone])
    if standing.since is not None and now is not None:
        text.append(f" {duration(max(0.0, now - standing.since))}", _DIM)
    if doing or standing.doing:
        text.append(" " * max(2, _LINK - (len(text) - began)))
        text.append(doing or standing.doing, Style(bold=True))
    text.truncate(width, overflow="ellipsis")
    return text


def duration(seconds: float) -> str:
    """How long, to whole seconds."""
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"


def shown(looking: Looking) -> Text:
    """Which events are shown, and where among them the cursor is."""
    text = Text(no_wrap=True, overflow="ellipsis")
    everything = len(looking.rows)
    if looking.view:
        text.append(f" {looking.cursor + 1} of {len(looking.view)}")
    else:
        text.append(
            " no event yet" if not everything else " no event fits: escape drops search and filter, b shows all boards"
        )
    if len(looking.view) < everything:
        text.append(f", {everything - len(looking.view)} hidden", _DIM)
    if looking.forgotten:
        text.append(f", {looking.forgotten} older let go", _DIM)
    if looking.board is not None:
        text.append("  only ", _DIM).append(looking.board)
    if looking.filter:
        text.append("  filter ", _DIM).append(looking.filter.text)
    if looking.search:
        number = looking.hit_number()
        where = f"{number} of {len(looking.hits)}" if number else f"{len(looking.hits)} found"
        text.append("  search ", _DIM).append(f"{looking.search.text}: {where}")
    return text


def said(lines: Sequence[str], width: int) -> Text:
    """What keys came to, in the place of `shown`; what is too long goes on in the next line: its cure stands last.

    As many as there is room for in SAID_LINES lines, the newest whatever its length.
    """
    shown: list[str] = []
    room = SAID_LINES
    for line in reversed(lines):
        room -= max(len(wrap(line, width - 1)), -(-cell_len(line) // (width - 1)))
        if shown and room < 0:
            break
        shown.insert(0, f" {line}")
    return Text("\n".join(shown), style=Style(bold=True))


def keys(pairs: Sequence[tuple[str, str]], width: int) -> Text:
    """As many of the keys as there is room for."""
    text = Text(no_wrap=True)
    for key, words in pairs:
        if len(text) + len(key) + len(words) + 3 > width:
            break
        text.append(f" {key} ", Style(reverse=True)).append(f"{words} ")
    return text
