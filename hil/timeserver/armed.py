"""Modes that are in force, and which of them answers a request.

The newest that is due answers. Below all of them lies the mode that the rig says. A mode with a schedule leaves by
itself when that is over; what was in force before it is in force again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from hil.schedule import ALWAYS, Clockwork, Schedule
from hil.timeserver.modes import Mode, Plain

Recorder = Callable[[str | None, dict[str, Any]], None]


class ArmedMode:
    """A mode that is in force on one board or (board None) on all. Also a context manager that clears it."""

    def __init__(
        self,
        mode: Mode,
        board: str | None,
        when: Schedule,
        now: float,
        record: Recorder,
        remove: Callable[[ArmedMode], None],
    ) -> None:
        self.mode = mode
        self.board = board
        self.clockwork = Clockwork(when, now)
        self.applied = 0  # requests that it answered, or did not answer
        self.cleared = False
        self._asked: Counter[str | None] = Counter()
        self._record = record
        self._remove = remove
        facts = when.facts()
        self._tell("armed", board, **({"schedule": facts} if facts else {}))

    def clear(self) -> None:
        """End it. Clearing twice does nothing. Call it from any thread but the loop's."""
        self._remove(self)

    def __enter__(self) -> ArmedMode:
        return self

    def __exit__(self, *reason: object) -> None:
        self.clear()

    # -- in the loop's thread --------------------------------------------------------------------------------------

    def take(self, board: str | None, now: float) -> Plain | None:
        """How it answers this request of `board`, or None if it does not concern itself with it."""
        if self.cleared or self.board not in (None, board) or not self.clockwork.due(now):
            return None
        started = self.clockwork.started
        plain = self.mode.at(self._asked[board], 0.0 if started is None else now - started)
        self._asked[board] += 1
        self.applied += 1
        return plain

    def tell_applied(self, board: str | None) -> None:
        self._tell("applied", board, times=self.applied)

    def end(self, why: str) -> None:
        if not self.cleared:
            self.cleared = True
            self._tell("cleared", self.board, why=why, times=self.applied)

    def _tell(self, state: str, board: str | None, **more: Any) -> None:
        parameters: dict[str, Any] = {}
        if is_dataclass(self.mode):
            parameters = {f.name: _plain(getattr(self.mode, f.name)) for f in fields(self.mode)}
        self._record(board, {"name": self.mode.name, "state": state, **parameters, **more})


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class Stack:
    """The modes in force, oldest first. All in the loop's thread."""

    def __init__(self, lowest: Mode) -> None:
        self.lowest = lowest
        self.armed: list[ArmedMode] = []
        self._asked: Counter[str | None] = Counter()
        self._since: float | None = None

    def standing(self, board: str | None) -> Mode:
        """What answers `board` when no schedule has its say."""
        for one in reversed(self.armed):
            if one.clockwork.schedule == ALWAYS and one.board in (None, board):
                return one.mode
        return self.lowest

    def take(self, board: str | None, now: float) -> tuple[Plain, ArmedMode | None]:
        """How this request is answered, and by which armed mode; it is an occasion for each that is asked."""
        for one in reversed(self.armed):
            if (plain := one.take(board, now)) is not None:
                return plain, one
        number = self._asked[board]
        self._asked[board] += 1
        if self._since is None:
            self._since = now
        return self.lowest.at(number, now - self._since), None

    def remove(self, one: ArmedMode, why: str) -> None:
        if one in self.armed:
            self.armed.remove(one)
        one.end(why)
