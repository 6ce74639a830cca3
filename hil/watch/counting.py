"""How many events fall into each cell of a picture, and how much the worst of them asks to be looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from hil.watch.looking import Looking
from hil.watch.row import Row

Counts = dict[str, dict[int, tuple[int, int]]]
"""By lane and cell: how many, and the highest tone. A cell has the number of its begin in widths since 0."""


@dataclass
class Counting:
    """Counts what `looking` shows of one board and of none. Only what is new is counted, as long as that is possible.

    `width` of a cell in seconds.
    """

    width: float = 1.0
    board: str | None = None
    counts: Counts = field(default_factory=dict)
    _counted: int = 0
    _generation: int = -1

    def count(self, looking: Looking, width: float, board: str | None) -> Counts:
        """The counts as they are now."""
        if (width, board, looking.generation) != (self.width, self.board, self._generation):
            self.width, self.board, self._generation = width, board, looking.generation
            self.counts, self._counted = {}, 0
        for row in looking.view[self._counted :]:
            if row.board is None or row.board == board:
                self._add(row)
        self._counted = len(looking.view)
        return self.counts

    def _add(self, row: Row) -> None:
        cells = self.counts.setdefault(row.lane, {})
        cell = int(row.event.monotonic // self.width)
        many, worst = cells.get(cell, (0, 0))
        cells[cell] = (many + 1, max(worst, row.tone))
