"""What a page sees of the history: read when it is first wanted, and from one state of the database."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection

from hil.history.digest import Entry
from hil.history.quarantine import Entry as Quarantined
from hil.history.quarantine import entries
from hil.history.questions import Drift, Regression, regressions
from hil.history.questions.drifts import Series, judge, series
from hil.history.runs import Result, bad
from hil.history.window import Board, Window, window
from hil.natural_order import natural
from hil.serve.asked import Asked, NoRun, NotThere


@dataclass
class View:
    """`where`: the history for people. All of it is of the runs, the rig and the board that the filters name."""

    asked: Asked
    connection: Connection
    where: str

    @cached_property
    def window(self) -> Window:
        """The runs that are looked at, and their verdicts. Raises NotThere where there is none."""
        found = window(self.connection, last=self.asked.last, rig=self.asked.rig, board=self.asked.board)
        if not found.runs:
            if self.asked.rig:
                raise NotThere(f"There is no run of a rig {self.asked.rig!r} yet.")
            raise NoRun(
                f"There is no run yet in {self.where}. Each run with a board is kept there as its tests finish; "
                "one that is over already is brought in with: hil history add RUN"
            )
        return found

    @cached_property
    def series(self) -> Series:
        """All measurements, by board, scenario and name."""
        return series(self.window)

    @cached_property
    def regressions(self) -> Sequence[Regression]:
        """What passed once and fails now, what is sure first."""
        return regressions(self.window)

    @cached_property
    def failed(self) -> Mapping[tuple[int, str], Result]:
        """What was bad in the newest runs, by board and scenario."""
        return {(one.board, one.scenario): one for _, one in bad(self.connection, self.window.newest())}

    @cached_property
    def drifts(self) -> Sequence[Drift]:
        """What has moved beyond doubt."""
        return judge(self.window, self.series)

    @cached_property
    def quarantine(self) -> Sequence[Quarantined]:
        """The whole list."""
        return entries(self.connection)

    @property
    def today(self) -> datetime.date:
        """By this host's calendar, as the list is judged."""
        return datetime.date.today()

    def cells(self, board: Board) -> Mapping[str, Sequence[Entry]]:
        """The verdicts of a board, by scenario."""
        return self._by_board[board.id]

    @cached_property
    def _by_board(self) -> Mapping[int, Mapping[str, Sequence[Entry]]]:
        found: dict[int, dict[str, Sequence[Entry]]] = {}
        for board, title, course in self.window.named():
            found.setdefault(board.id, {})[title] = course
        return found

    def boards(self) -> list[Board]:
        """Those that have a result here, by rig and name."""
        seen = {board for board, _ in self.window.cells}
        return sorted(
            (self.window.boards[number] for number in seen), key=lambda one: (natural(one.rig), natural(one.name))
        )
