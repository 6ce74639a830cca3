"""Predicates on events that can say in words what they look for."""

from __future__ import annotations

from typing import Any

from hil.timeline.event import Event, Predicate, shown

About = tuple[str | None, str | None, str | None]
"""Source, kind and board that a match wants; None: any."""


class Match:
    """A predicate on events that can say in words what it looks for. Made by `where`; `|` joins two.

    `about` is the (source, kind, board) that it looks for, None for any: what lets a search pass by a thousand
    console lines at once when it looks for something else.
    """

    def __init__(self, test: Predicate, words: str, about: About = (None, None, None)) -> None:
        self._test = test
        self._words = words
        self.about = about

    def __call__(self, event: Event) -> bool:
        return self._test(event)

    def __or__(self, other: Match) -> Match:
        return Match(lambda e: self(e) or other(e), f"{self} or {other}")

    def __str__(self) -> str:
        return self._words

    __repr__ = __str__


def where(source: str | None = None, kind: str | None = None, board: str | None = None, /, **data: Any) -> Match:
    """Match events by source, kind, board and data. None matches anything.

    A data value is compared with ==, or called with the event's value if it is callable:
    `where("gateway", "publish", "esp32-a", topic="devices/a/status", payload=lambda p: b"on" in p)`.
    A key that the event does not have is None. A predicate that raises TypeError on a value does not match it.
    """

    def test(event: Event) -> bool:
        if source is not None and event.source != source:
            return False
        if kind is not None and event.kind != kind:
            return False
        if board is not None and event.board != board:
            return False
        return all(_agrees(wanted, event.data.get(key)) for key, wanted in data.items())

    words = f"{source or 'any source'}.{kind or 'any kind'}"
    if board is not None:
        words += f" of {board}"
    if data:
        words += " with " + ", ".join(
            f"{k} as {getattr(v, '__name__', 'asked')}" if callable(v) else f"{k}={shown(v)}" for k, v in data.items()
        )
    return Match(test, words, (source, kind, board))


def _agrees(wanted: Any, found: Any) -> bool:
    if not callable(wanted):
        return bool(wanted == found)
    try:
        return bool(wanted(found))
    except TypeError:
        return False


def words_of(match: Predicate) -> str:
    """What a predicate looks for, for a message."""
    return str(match) if isinstance(match, Match) else f"event that fits {getattr(match, '__name__', match)}"


def board_of(match: Predicate) -> str | None:
    """The board whose events alone a predicate is known to fit; None: any."""
    return match.about[2] if isinstance(match, Match) else None
