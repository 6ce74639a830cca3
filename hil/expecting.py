"""Waiting for something on a console: who waits, what is found, and that it was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hil.lines import Found, Mark, Search, Stream
from hil.timeline import Event


class NotSeen(AssertionError):
    """`Console.expect` ran out of time. The message holds the last lines and the path of the log."""


@dataclass(frozen=True)
class Seen:
    """What `expect` found. `seen[1]` and `seen["name"]` are groups of the regular expression, `seen[0]` is the text."""

    text: str
    groups: tuple[str | None, ...]
    named: dict[str, str | None]
    end: Mark
    """Where the match ends: what a later expect(..., after=seen.end) searches from."""
    _event: Callable[[], Event | None]

    @property
    def event(self) -> Event | None:
        """The `line` event of the line in which the match ends; None as long as that line is unfinished."""
        return self._event()

    def __getitem__(self, group: int | str) -> str | None:
        if isinstance(group, str):
            return self.named[group]
        return self.text if group == 0 else self.groups[group - 1]


class Waiter:
    """Somebody in `expect`: the reader's thread searches on their behalf, so they wake once, when it is there."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self.found: Found | None = None

    def step(self, stream: Stream) -> bool:
        """Search what is new; True if there is something to wake up for."""
        if self.found is None or self.found.open_end:
            before = self.found
            self.found = self._search.step(stream)
            return self.found is not None or before is not None
        return True
