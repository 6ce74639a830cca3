"""The boards that are seen: where each stands, what lasts on it, and which of them is chosen."""

from __future__ import annotations

from hil.watch.lasting import Lasting
from hil.watch.row import Row
from hil.watch.standing import Standing


class Boards:
    """In the order in which they were first seen. `only`: no others are taken note of; all without."""

    def __init__(self, only: tuple[str, ...] = ()) -> None:
        self.only = only
        self.standings: dict[str, Standing] = {}
        self.lastings: dict[str, Lasting] = {}
        self.chosen = 0

    def wanted(self, row: Row) -> bool:
        """Whether a row is of a board that is looked at, or of none."""
        return not self.only or row.board is None or row.board in self.only

    def take(self, row: Row) -> None:
        """Fold one event."""
        if row.board is None:
            return
        if row.board not in self.standings:
            self.standings[row.board], self.lastings[row.board] = Standing(row.board), Lasting()
        self.standings[row.board].take(row)
        self.lastings[row.board].take(row)

    @property
    def name(self) -> str | None:
        """The chosen board; None before any was seen."""
        names = list(self.standings)
        return names[self.chosen] if self.chosen < len(names) else None

    @property
    def lasting(self) -> Lasting:
        """What lasts on the chosen board."""
        return self.lastings.get(self.name or "", Lasting())

    def choose(self, number: int) -> bool:
        """Choose a board by its number, from 0 on. False if there is none of that number."""
        if number >= len(self.standings):
            return False
        self.chosen = number
        return True

    @property
    def next(self) -> int:
        """The number of the board behind the chosen one, round the end."""
        return (self.chosen + 1) % max(1, len(self.standings))
