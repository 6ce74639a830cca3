"""The one background thread that runs an asyncio loop, for the gateway and the time server.

Tests are plain synchronous code; what serves many boards at once lives here. The two meet in the timeline, and in
`Loop.run`, which hands a coroutine over and waits for its answer.

    loop = Loop()
    port = loop.run(server.start())
    loop.close()
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 30.0
"""Seconds that `run` and `call` wait. Nothing that is handed over waits for a board, so this only catches a hang."""


class LoopClosed(RuntimeError):
    """Something was handed to a loop that has been closed."""


class Loop:
    """An asyncio loop in a daemon thread. It runs from construction until `close`."""

    def __init__(self, name: str = "hil-loop") -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = threading.Lock()
        self._closed = False
        started = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(started,), name=name, daemon=True)
        self._thread.start()
        started.wait()

    def run(self, coroutine: Coroutine[Any, Any, T], *, timeout: float | None = _PATIENCE) -> T:
        """Run `coroutine` in the loop's thread and return its result, or raise what it raises.

        `timeout` in seconds; None waits for ever. Raises TimeoutError (the coroutine is cancelled then), LoopClosed,
        and RuntimeError when called from the loop's own thread, where waiting would stand still for ever.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("Loop.run was called from the loop's own thread; await the coroutine there instead")
        if self._closed:
            coroutine.close()
            raise LoopClosed("the background loop is closed")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            if future.done():
                raise  # the coroutine's own TimeoutError
            future.cancel()
            raise TimeoutError(f"the background loop did not finish within {timeout:g} s") from None
        except BaseException:
            future.cancel()  # Ctrl-C: do not leave it running behind the caller's back
            raise

    def call(self, function: Callable[[], T]) -> T:
        """Call a plain function in the loop's thread and return its result, or raise what it raises."""

        async def calling() -> T:
            return function()

        return self.run(calling())

    def soon(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop's thread, and do not wait for it. From any thread, the loop's too.

        On a closed loop nothing happens.
        """
        with contextlib.suppress(RuntimeError):  # closed between the question and the call
            self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        """Cancel what still runs, end the thread. Closing twice does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)

    def _work(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(started.set)
        try:
            self._loop.run_forever()
        finally:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            with contextlib.suppress(Exception):
                self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
