"""The background loop: results, errors, time-outs and its end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hil.background import Loop, LoopClosed


def test_results_and_errors_come_back_from_another_thread() -> None:
    loop = Loop()

    async def who() -> str:
        return threading.current_thread().name

    async def wrong() -> None:
        raise ValueError("wrong")

    async def late() -> None:
        raise TimeoutError("its own")

    assert loop.run(who()) == "hil-loop"
    assert loop.call(lambda: threading.current_thread().name) == "hil-loop"
    with pytest.raises(ValueError, match="wrong"):
        loop.run(wrong())
    with pytest.raises(TimeoutError, match="its own"):
        loop.run(late())
    loop.close()


def test_a_time_out_cancels_what_ran() -> None:
    loop = Loop()
    cancelled = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(TimeoutError, match=r"did not finish within 0\.05 s"):
        loop.run(endless(), timeout=0.05)
    assert cancelled.wait(10)
    loop.close()


def test_waiting_in_its_own_thread_is_refused() -> None:
    loop = Loop()

    async def inside() -> None:
        loop.run(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="own thread"):
        loop.run(inside())
    loop.close()


def test_close_cancels_what_is_left_and_refuses_what_comes() -> None:
    loop = Loop()
    ended = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def start() -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(endless())

    task = loop.run(start())
    loop.run(asyncio.sleep(0))
    loop.close()
    assert ended.is_set()
    assert task.cancelled()
    with pytest.raises(LoopClosed):
        loop.run(asyncio.sleep(0))
    loop.close()
