"""The one asyncio loop in which all tests of the reference firmware run, and how long they wait."""

from __future__ import annotations

import asyncio
import atexit
import functools
from collections.abc import Callable, Coroutine
from typing import Any

LIMIT = 60.0
"""Seconds that a test waits for anything; far more than it takes."""

_runner = asyncio.Runner()


# The zygote ends by itself when this process does: it sees the end of its socket.
atexit.register(_runner.close)


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in the loop that all of them share, and with it the zygote: it is started once."""

    @functools.wraps(test)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(2 * LIMIT):
                await test(*args, **kwargs)

        _runner.run(limited())

    return wrapped
