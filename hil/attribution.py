"""Which board an event concerns, also where only its topic tells: the monitor sees messages, and nobody's board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hil.timeline import Event

_KEYS = ("topic", "answer_topic")
"""Where topics stand in what a contract promises."""


class Attribution:
    """Knows whose topics are whose: from contracts, each what `Contract.promises` says, by the names of boards."""

    def __init__(self, promised: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._boards: dict[str, set[str]] = {}
        for board, promises in (promised or {}).items():
            self._learn(board, promises)

    @classmethod
    def told_by(cls, events: Iterable[Event]) -> Attribution:
        """From the timeline alone, which has the contract of each board that was opened."""
        found = cls()
        for event in events:
            found.take(event)
        return found

    def take(self, event: Event) -> None:
        """Learn from an event, if it is a board's contract."""
        if (event.source, event.kind) == ("board", "contract") and event.board is not None:
            self._learn(event.board, event.data)

    def of(self, event: Event) -> str | None:
        """The event's board; of a message the one board that has its topic in its contract, None if none or several do.

        What is sent to a board's topics is the board's as well: a command, its will.
        """
        if event.board is not None or (event.source, event.kind) != ("monitor", "message"):
            return event.board
        boards = self._boards.get(str(event.get("topic")), ())
        return next(iter(boards)) if len(boards) == 1 else None

    def _learn(self, board: str, promises: Mapping[str, Any]) -> None:
        for topic in _topics(promises):
            self._boards.setdefault(topic, set()).add(board)


def _topics(value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if key in _KEYS and isinstance(inner, str):
            yield inner
        else:
            yield from _topics(inner)
