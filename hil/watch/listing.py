"""The part of the screen where the events stand: draws the lines that are in sight, and no others."""

from __future__ import annotations

from textual.strip import Strip
from textual.widget import Widget

from hil.watch.line import Columns
from hil.watch.looking import Looking


class Listing(Widget):
    """`top` is the first row in sight; it moves as little as the cursor allows."""

    DEFAULT_CSS = "Listing { height: 1fr; width: 1fr; }"

    def __init__(self, looking: Looking) -> None:
        super().__init__()
        self.looking = looking
        self.columns = Columns()
        self.top = 0

    @property
    def page(self) -> int:
        """How many rows are in sight at once."""
        return max(1, self.size.height)

    def show(self, columns: Columns, *, gone: int = 0) -> None:
        """Draw again. `gone`: by how many places what was in sight has moved up."""
        self.columns = columns
        looking = self.looking
        last = max(0, len(looking.view) - self.page)
        top = max(0, self.top - gone, looking.cursor - self.page + 1)
        self.top = last if looking.following else min(top, looking.cursor, last)
        self.refresh()

    def on_resize(self) -> None:
        self.show(self.columns)

    def render_line(self, y: int) -> Strip:
        """One line of the screen, from the row that stands there."""
        looking, at = self.looking, self.top + y
        width = self.size.width
        if at >= len(looking.view):
            return Strip.blank(width)
        row = looking.view[at]
        hit = bool(looking.search) and looking.search(row)
        return self.columns.strip(row, width, cursor=at == looking.cursor, hit=hit, words=looking.search.words)
