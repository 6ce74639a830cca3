"""SIGTERM ends a run as Ctrl-C does: by an exception in the main thread, so that everything is closed in order."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def terminated_as(end: Callable[[], None]) -> Iterator[None]:
    """While inside, SIGTERM and SIGHUP call `end` in the main thread, which raises, or has that end soon.

    In other threads this does nothing. A second signal while the first is being dealt with is ignored: it would cut off
    the closing of the bench.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        if not ending:
            ending = True
            end()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
