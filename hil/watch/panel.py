"""All of the event at the cursor beside the list, as long as that is wanted."""

from __future__ import annotations

from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from hil.watch.row import Row
from hil.watch.screens import details, in_short

WIDE = 120
"""Columns from which it stands to the right of the list, and not below it."""


class Panel(VerticalScroll, can_focus=False):
    """Hidden until it is asked for. Its place is in the style sheet of the screen: it depends on the width."""

    def __init__(self) -> None:
        self._text = Static(markup=False)
        super().__init__(self._text)
        self._shown: Row | None = None

    def show(self, row: Row | None, zero: float, *, low: bool) -> None:
        """Show another event, from its beginning; None: nothing. `low`: there is little room."""
        if row is not self._shown:
            self._shown = row
            words = in_short if low else details
            self._text.update(Text("no event") if row is None else words(row, zero))
            self.scroll_home(animate=False)
