"""A row as a line of the terminal: time, mark, board, lane, and what it says, each in its column."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from hil.lanes import BAD, GOOD, ODD, PLAIN
from hil.watch.row import SHORT, Row

MARKS = {PLAIN: " ", GOOD: "+", ODD: "?", BAD: "!"}
"""What a tone is beside its colour: not every terminal, and not every eye, has colours."""

STYLES = {PLAIN: Style(), GOOD: Style(color="green"), ODD: Style(color="yellow"), BAD: Style(color="red", bold=True)}

LANE_STYLES = {
    **{"test": Style(bold=True), "power": Style(color="magenta"), "writing": Style(color="magenta")},
    **{"TLS": Style(color="cyan"), "MQTT from device": Style(color="cyan"), "MQTT to device": Style(color="cyan")},
    **{"monitor": Style(color="green"), "faults": Style(color="yellow")},
}
"""The colours of lanes, of the terminal's own; the rest has its text's colour."""
_FOUND = Style(color="black", bgcolor="yellow")
_CURSOR = Style(reverse=True)
_LANE_WIDTH = max(len(name) for name in SHORT.values())


@dataclass(frozen=True, slots=True)
class Columns:
    """`zero`: the monotonic time that is shown as 0, in seconds. `clock`: the time of day in its place.

    `board`: the width of the boards' column, 0 without one. `left`: how many characters of the text are left out
    before the first that is shown.
    """

    zero: float = 0.0
    clock: bool = False
    board: int = 0
    left: int = 0

    def time(self, row: Row) -> str:
        """The time of a row, to the millisecond."""
        if self.clock:
            return datetime.fromtimestamp(row.event.wall).strftime("%H:%M:%S.%f")[:-3]
        return f"{row.event.monotonic - self.zero:10.3f}"

    def strip(
        self, row: Row, width: int, *, cursor: bool = False, hit: bool = False, words: tuple[str, ...] = ()
    ) -> Strip:
        """The line, exactly `width` cells. `words` are shown as found where this is a `hit`."""
        style = STYLES[row.tone]
        segments = [
            Segment("●", Style(color="yellow", bold=True)) if hit else Segment(" "),
            Segment(f"{self.time(row)} "),
            Segment(f"{MARKS[row.tone]} ", style),
        ]
        if self.board:
            segments.append(Segment(f"{fit(row.board or '', self.board)} "))
        segments.append(Segment(f"{SHORT[row.lane]:<{_LANE_WIDTH}} ", LANE_STYLES.get(row.lane, Style())))
        text = ("…" + row.text[self.left + 1 :]) if self.left and row.text else row.text
        segments += _marked(text, style, words if hit else ())
        if cursor:  # one bar from edge to edge: colours turned round would make patches of it
            segments = [Segment(segment.text, _CURSOR) for segment in segments]
        strip = Strip(segments)
        if strip.cell_length > width:
            strip = Strip([*strip.crop(0, width - 1), Segment("…", _CURSOR if cursor else style)])
        return strip.adjust_cell_length(width, _CURSOR if cursor else None)


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` characters."""
    return f"{text:<{width}}" if len(text) <= width else text[: width - 1] + "…"


def _marked(text: str, style: Style, words: tuple[str, ...]) -> list[Segment]:
    """The text, with each place where one of the words stands shown as found."""
    segments = []
    folded = text.lower()  # as long as the text, unlike casefold's, but for very few letters
    at = 0
    while words and len(folded) == len(text):
        found = (
            min((i, -len(word)) for word in words if (i := folded.find(word, at)) >= 0)
            if any(word in folded[at:] for word in words)
            else None
        )
        if found is None:
            break
        begin, end = found[0], found[0] - found[1]
        segments += [Segment(text[at:begin], style), Segment(text[begin:end], _FOUND)]
        at = end
    return [*segments, Segment(text[at:], style)]
