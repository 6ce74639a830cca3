"""The timeline as a picture in cells: a lane for each witness, as in the report's page, over the last seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from hil.lanes import ALWAYS, BAD, LANES, ODD
from hil.watch.counting import Counting, Counts
from hil.watch.lasting import Lasting
from hil.watch.line import LANE_STYLES, STYLES, fit
from hil.watch.looking import Looking
from hil.watch.row import SHORT
from hil.watch.scale import SPANS, USUAL, Scale, span_words

_RAMP = "▂▃▄▅▆▇█"
"""How many events a cell holds: 1, 2 or 3, 4 to 7, and so on, doubling."""

_LASTS = "━"
_LABEL = max(len(name) for name in LANES) + 1
_NARROW = 60
"""Columns below which the lanes have the short names that the list has."""

_DIM = Style(dim=True)
_CURSOR = Style(reverse=True)


@dataclass(frozen=True)
class Times:
    """`now`: the monotonic time until which there is something to show. `offset`: what is added to monotonic times to
    make them those that are written along the picture, of day with `clock`; all in seconds."""

    now: float
    offset: float
    clock: bool = False


class Picture(Widget):
    """Hidden until it is asked for. The cursor is that of the list; the window follows the newest event as it does."""

    DEFAULT_CSS = "Picture { height: auto; width: 1fr; display: none; }"

    def __init__(self, looking: Looking) -> None:
        super().__init__()
        self.looking = looking
        self.zoom = USUAL
        self._counting = Counting()
        self._first: int | None = None
        self._strips: list[Strip] = []

    def zoom_by(self, by: int) -> str:
        """Show more time, or less; what it then shows, in words."""
        self.zoom = min(len(SPANS) - 1, max(0, self.zoom + by))
        self._first = None
        return span_words(SPANS[self.zoom])

    def show(self, board: str | None, lasting: Lasting, times: Times, *, width: int, most: int) -> None:
        """Draw again, `width` cells wide and in at most `most` lines."""
        label = _LABEL if width >= _NARROW else max(map(len, SHORT.values())) + 1
        cells = max(10, width - label - 2)
        scale = self._scale(cells, times)
        counts = self._counting.count(self.looking, scale.width, board)
        lanes = lanes_shown(counts, most - 1)
        body = [_lane(lane, counts, lasting, scale, times) for lane in lanes]
        current = self.looking.current
        column = -1 if current is None else scale.column(current.event.monotonic)
        self._strips = [self._head(board, label, scale, times)]
        for lane, cell in zip(lanes, body, strict=True):
            here = current is not None and current.lane == lane and current.board in (None, board)
            name = lane if width >= _NARROW else SHORT[lane]
            style = LANE_STYLES.get(lane, Style()) + (Style(bold=True) if here else Style())
            segments = [Segment(f" {name:<{label}}", style), *_with_cursor(cell, column, here)]
            self._strips.append(Strip(segments))
        if self.styles.height is None or self.styles.height.value != len(self._strips):
            self.styles.height = len(self._strips)
        self.refresh()

    def _scale(self, cells: int, times: Times) -> Scale:
        """Where the window stands: at the newest event while that is followed, else where the cursor is in it."""
        width = SPANS[self.zoom] / cells
        looking, current = self.looking, self.looking.current
        newest = int(times.now // width) - cells + 1
        if (looking.following and not looking.paused) or current is None:
            self._first = newest
        elif self._first is None or not 0 <= Scale(self._first, cells, width).column(current.event.monotonic) < cells:
            self._first = min(newest, int(current.event.monotonic // width) - cells // 2)
        return Scale(self._first, cells, width)

    def _head(self, board: str | None, label: int, scale: Scale, times: Times) -> Strip:
        span = span_words(SPANS[self.zoom])
        axis = scale.axis(times.offset, clock=times.clock)
        name = fit(board or "", label - len(span) - 1)
        return Strip([Segment(f" {name} {span}", Style(bold=True)), Segment(axis, _DIM)])

    def on_resize(self) -> None:
        self._first = None

    def render_line(self, y: int) -> Strip:
        """One line of the picture."""
        strip = self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)
        return strip.adjust_cell_length(self.size.width)


def lanes_shown(counts: Counts, most: int) -> list[str]:
    """The lanes that are drawn, from top to bottom; where there is not room for all, those with events first."""
    lanes = [lane for lane in LANES if lane in ALWAYS or counts.get(lane)]
    while len(lanes) > max(1, most):
        empty = [lane for lane in lanes if not counts.get(lane)]
        lanes.remove((empty or lanes)[-1])
    return lanes


def _lane(lane: str, counts: Counts, lasting: Lasting, scale: Scale, times: Times) -> list[Segment]:
    """The cells of a lane: what lasts, and over it the events."""
    cells = [Segment(" ")] * scale.cells
    for stretch in lasting.within(scale.begin, scale.end):
        if stretch.lane == lane:
            begin = max(0, scale.column(stretch.began))
            end = min(scale.cells - 1, scale.column(times.now if stretch.ended is None else stretch.ended))
            for column in range(begin, end + 1):
                cells[column] = Segment(_LASTS, STYLES[stretch.tone] + Style(bold=False, dim=True))
    found = counts.get(lane, {})
    for column in range(scale.cells):
        cell = found.get(scale.first + column)
        if cell is not None:
            cells[column] = _events(lane, *cell)
    return cells


def _events(lane: str, many: int, worst: int) -> Segment:
    if worst == BAD:
        return Segment("!", STYLES[BAD])
    if worst == ODD:
        return Segment("?", STYLES[ODD])
    height = _RAMP[min(len(_RAMP), many.bit_length()) - 1]
    return Segment(height, STYLES[worst] if worst else LANE_STYLES.get(lane, Style()))


def _with_cursor(cells: Sequence[Segment], column: int, here: bool) -> list[Segment]:
    """The cells, with a line through the cursor's moment; its own lane has it reversed."""
    shown = list(cells)
    if 0 <= column < len(shown):
        text, style, _ = shown[column]
        if here:
            shown[column] = Segment(text, (style or Style()) + _CURSOR)
        elif text == " ":
            shown[column] = Segment("│", _DIM)
    return shown
