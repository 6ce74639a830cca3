"""The versions of a bench's tools, asked while the bench is in use: nobody waits for them as it opens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from hil.tools.asking import Answer, ask
from hil.tools.used import Use

#: Seconds that a tool may take.
PATIENCE = 5.0
#: Seconds that one may go on for as the bench closes: no short run waits for one that hangs.
GRACE = 1.0
_AT_ONCE = 8

Told = dict[str, Any]
"""What run.json says of a tool: `name`, `program`, and `version` or `trouble`, the other of which is None."""


class Versions:
    """Asks tools, and calls `tell` with all that is known so far each time that one more is: in another thread."""

    def __init__(self, tell: Callable[[list[Told]], None]) -> None:
        self._tell = tell
        self._known: dict[Use, Told] = {}
        self._asked: dict[Use, Future[None]] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hil-versions")

    def ask(self, uses: Iterable[Use | None]) -> None:
        """Ask these, if they were not asked yet; returns at once."""
        for use in uses:
            if use is not None and use not in self._asked:
                self._asked[use] = self._threads.submit(self._one, use)

    def close(self) -> None:
        """Wait for those that were asked, no longer than GRACE; what is not said by then is given up, and said to be.

        Closing twice does nothing.
        """
        try:
            wait(self._asked.values(), timeout=GRACE)
        finally:
            self._stop.set()
            self._threads.shutdown(wait=True, cancel_futures=True)

    def _one(self, use: Use) -> None:
        told = as_told(use, ask(use.tool, use.program, patience=PATIENCE, stop=self._stop))
        with self._lock:
            self._known[use] = told
            self._tell([self._known[one] for one in self._asked if one in self._known])


def as_told(use: Use, answer: Answer) -> Told:
    """An answer as run.json has it."""
    version = str(answer.version) if answer.version is not None else None
    trouble = answer.trouble or (None if version else "it does not say its version")
    return {"name": use.tool.name, "program": answer.program, "version": version, "trouble": trouble}
