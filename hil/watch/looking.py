"""What is kept of a timeline, which of it is shown, and what is looked at: all of the screen but the screen."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence

from hil.lanes import BAD, ODD
from hil.watch.filtering import EVERYTHING, Filter
from hil.watch.row import Row

MOST = 50_000
"""Rows that are kept in memory, the newest; about 2.5 KB each. The timeline's file has all of them."""


_ROUND = {True: "from the top again", False: "from the bottom again"}


def failure(row: Row) -> bool:
    """Whether a row is a failure by itself."""
    return row.tone == BAD


def remark(row: Row) -> bool:
    """Whether a row is worth a look, or a finding of a test."""
    return row.tone == ODD or (row.event.source, row.event.kind) == ("test", "finding")


def _key(row: Row) -> tuple[float, str, int]:
    return row.key


class Looking:
    """`view`: the rows that are shown, in the order of time. `cursor`: an index into it, 0 also where it is empty.

    While `following`, the cursor stays at the newest row. While `paused`, new rows wait, and nothing moves.
    `forgotten`: how many rows were let go, the oldest first, so that no more than about `most` are kept.
    `generation`: another number whenever `view` changed otherwise than by new rows at its end.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.rows: list[Row] = []
        self.view: list[Row] = []
        self.hits: list[Row] = []
        self.cursor = 0
        self.following = True
        self.paused = False
        self.forgotten = 0
        self.generation = 0
        self.filter = EVERYTHING
        self.search = EVERYTHING
        self.board: str | None = None
        self._waiting: deque[Row] = deque(maxlen=most)

    # -- rows ------------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many rows came since it was paused; no more than are kept."""
        return len(self._waiting)

    def add(self, rows: Sequence[Row]) -> int:
        """Take new rows in. Returns by how many places those that were in view have moved up: the oldest may go."""
        if not rows:
            return 0
        if self.paused:
            self.forgotten += max(0, len(self._waiting) + len(rows) - self.most)
            self._waiting.extend(rows)
            return 0
        new = sorted(rows, key=_key)
        if self.rows and new[0].key < self.rows[-1].key:
            # Several workers: what one wrote was read a moment after later things of another.
            self._merge(new)
        else:
            self.rows += new
            shown = [row for row in new if self._shows(row)]
            self.view += shown
            if self.search:
                self.hits += [row for row in shown if self.search(row)]
        gone = self._forget()
        if self.following:
            self.to_end()
        return gone

    def _merge(self, new: list[Row]) -> None:
        at = bisect_left(self.rows, new[0].key, key=_key)
        self.rows[at:] = sorted(self.rows[at:] + new, key=_key)
        self._again()

    def _forget(self) -> int:
        over = len(self.rows) - self.most
        if over < max(1, self.most // 10):  # seldom: it moves all that stays
            return 0
        first = self.rows[over].key
        gone = bisect_left(self.view, first, key=_key)
        del self.rows[:over], self.view[:gone], self.hits[: bisect_left(self.hits, first, key=_key)]
        self.forgotten += over
        self.generation += 1
        self.cursor = max(0, self.cursor - gone)
        return gone

    # -- what is shown ---------------------------------------------------------------------------------------------

    def show(self, wanted: Filter | None = None, *, board: str | None = None, every_board: bool = False) -> None:
        """Show what fits the filter, of one board and of none, or of all. The cursor stays at its moment."""
        if wanted is not None:
            self.filter = wanted
        if board is not None or every_board:
            self.board = board
        self._again()
        if self.following:
            self.to_end()

    def _shows(self, row: Row) -> bool:
        return (self.board is None or row.board is None or row.board == self.board) and self.filter(row)

    def _again(self) -> None:
        before = self.current
        self.generation += 1
        self.view = [row for row in self.rows if self._shows(row)]
        self.hits = [row for row in self.view if self.search(row)] if self.search else []
        self.cursor = 0 if before is None else self._place(before)

    def _place(self, row: Row) -> int:
        """The index of a row in view, or of the one before it where it is not shown."""
        return max(0, bisect_right(self.view, row.key, key=_key) - 1)

    # -- moving ----------------------------------------------------------------------------------------------------

    @property
    def current(self) -> Row | None:
        """The row at the cursor."""
        return self.view[self.cursor] if self.view else None

    def move(self, by: int) -> None:
        """Move the cursor, and follow the newest row no more; at the last row, moving down follows it again."""
        last = max(0, len(self.view) - 1)
        self.following = self.cursor == last and by > 0
        self.cursor = min(last, max(0, self.cursor + by))

    def go(self, wanted: Callable[[Row], bool], *, down: bool) -> bool:
        """To the next row below, or above, that is wanted. False, and nothing moves, if there is none."""
        return self._go_among(
            range(self.cursor + 1, len(self.view)) if down else range(self.cursor - 1, -1, -1), wanted
        )

    def go_round(self, wanted: Callable[[Row], bool], *, down: bool) -> str | None:
        """The same round the ends. Returns what to say where that is worth it."""
        if self.go(wanted, down=down):
            return None
        last = len(self.view) - 1
        round_the_end = range(self.cursor + 1) if down else range(last, self.cursor - 1, -1)
        if self.view and self._go_among(round_the_end, wanted):
            return _ROUND[down]
        return "nothing of that kind is shown"

    def _go_among(self, places: range, wanted: Callable[[Row], bool]) -> bool:
        place = next((place for place in places if wanted(self.view[place])), None)
        if place is None:
            return False
        self.cursor, self.following = place, False
        return True

    def to_start(self) -> None:
        """The oldest row that is kept."""
        self.following = False
        self.cursor = 0

    def to_end(self) -> None:
        """The newest row, and follow it."""
        self.following = True
        self.cursor = max(0, len(self.view) - 1)

    def pause(self) -> None:
        """Stop: what comes has to wait."""
        self.paused = True

    def resume(self) -> int:
        """Let in what has waited, and follow the newest. Returns what `add` does."""
        self.paused = False
        waited = list(self._waiting)
        self._waiting.clear()
        self.following = True
        gone = self.add(waited)
        self.to_end()
        return gone

    # -- searching -------------------------------------------------------------------------------------------------

    def find(self, wanted: Filter) -> bool:
        """Search: go to the nearest hit at the cursor or above, or else to the first below. False if there is none."""
        self.search = wanted
        self.hits = [row for row in self.view if wanted(row)] if wanted else []
        current = self.current
        if not self.hits or current is None:
            return False
        at = bisect_right(self.hits, current.key, key=_key) - 1
        self._go(self.hits[max(0, at)])
        return True

    def next_hit(self, down: bool) -> str | None:
        """Go to the next hit below, or above; round the ends. Returns what to say where that is worth it."""
        current = self.current
        if not self.search:
            return "nothing is searched for: / searches"
        if not self.hits or current is None:
            return f"not found: {self.search.text}"
        at = (
            bisect_right(self.hits, current.key, key=_key)
            if down
            else bisect_left(self.hits, current.key, key=_key) - 1
        )
        self._go(self.hits[at % len(self.hits)])
        if 0 <= at < len(self.hits):
            return None
        return _ROUND[down]

    def hit_number(self) -> int:
        """Which hit the cursor is at, from 1 on; 0 if at none."""
        current = self.current
        if current is None:
            return 0
        at = bisect_left(self.hits, current.key, key=_key)
        return at + 1 if at < len(self.hits) and self.hits[at] is current else 0

    def _go(self, row: Row) -> None:
        self.cursor = self._place(row)
        self.following = False
