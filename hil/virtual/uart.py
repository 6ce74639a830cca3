"""The chip's UART: bytes take their time on the wire, and mean nothing at the wrong speed.

Ten bits a byte (8N1). `speed` is the factor by which this board is faster than a real one; it divides wire times too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hil.virtual.boot_steps import APP_BAUD

SLICE = 0.005
"""Seconds' worth of bytes that leave at once: a real USB bridge gathers a few milliseconds, too."""
TOLERANCE = 0.04
"""Relative error of the baud rate at which a UART still reads right (10 bits, half a bit of slip)."""


class Uart:
    """`send` gets the bytes that leave on TX, when they leave. `line_baud` tells the speed of the other side."""

    def __init__(self, speed: float, send: Callable[[bytes], None], line_baud: Callable[[], int]) -> None:
        self.baud = APP_BAUD
        self._speed = speed
        self._send = send
        self._line_baud = line_baud
        self._queue = bytearray()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tx_free = 0.0
        self._rx_free = 0.0
        self._pump = asyncio.create_task(self._run())

    def transmit(self, data: bytes) -> None:
        """Queue bytes for TX."""
        if data:
            self._queue += data
            self._idle.clear()
            self._work.set()

    async def drained(self) -> None:
        """Wait until every queued byte has left."""
        await self._idle.wait()

    def clear(self) -> None:
        """The chip lost its power or is held in reset: what has not left will never leave."""
        self._queue.clear()

    async def received(self, data: bytes) -> bytes:
        """What the chip makes of bytes from RX, after the time that they take on the wire."""
        self._rx_free = await self._occupy(self._rx_free, len(data))
        return self._as_seen(data)

    def as_seen(self, data: bytes) -> bytes:
        """What arrives at either end: noise, if the two ends do not run at the same speed."""
        return self._as_seen(data)

    async def close(self) -> None:
        """Stop transmitting."""
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    def _as_seen(self, data: bytes) -> bytes:
        if abs(self._line_baud() / self.baud - 1) <= TOLERANCE:
            return data
        return bytes((byte * 37 + 11) & 0xFF | 0x80 for byte in data)

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            while self._queue:
                size = max(1, int(self.baud * self._speed / 10 * SLICE))
                piece = bytes(self._queue[:size])
                del self._queue[:size]
                self._send(self._as_seen(piece))
                self._tx_free = await self._occupy(self._tx_free, len(piece))
            self._work.clear()
            if not self._queue:
                self._idle.set()

    async def _occupy(self, free: float, count: int) -> float:
        """The wire is busy for `count` bytes from `free` (loop time) on; waits, when it is worth a timer."""
        loop = asyncio.get_running_loop()
        free = max(free, loop.time()) + count * 10 / (self.baud * self._speed)
        ahead = free - loop.time()
        if ahead > 0.001:
            await asyncio.sleep(ahead)
        return free
