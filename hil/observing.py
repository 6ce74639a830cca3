"""Who else is told what a console receives: the serial link, beside tests and the log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol


class Observer(Protocol):
    """Is told what a console receives, as it is, secrets too. Called in the thread that reads: must be quick."""

    def received(self, data: bytes) -> None:
        """Whole lines, each with its LF; a piece without one at its end belongs to a line that goes on, or is torn."""

    def port(self, state: str) -> None:
        """The port is 'open', 'closed', 'lost' or 'back' now, as its events say."""


class Observers:
    """Those of one console. Adding and removing is safe from any thread."""

    def __init__(self) -> None:
        self._all: tuple[Observer, ...] = ()
        self._changing = threading.Lock()

    def add(self, observer: Observer) -> Callable[[], None]:
        """Returns a function that takes it away again."""
        with self._changing:
            self._all = (*self._all, observer)

        def remove() -> None:
            with self._changing:
                self._all = tuple(other for other in self._all if other is not observer)

        return remove

    def received(self, data: bytes) -> None:
        """Hand it on to all, unless it is nothing."""
        for observer in self._all if data else ():
            observer.received(data)

    def port(self, state: str) -> None:
        """Hand it on to all."""
        for observer in self._all:
            observer.port(state)
