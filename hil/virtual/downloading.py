"""A chip in download mode: it hears its host out, and does what its loader orders, at a real chip's pace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hil.virtual.flash import BLOCK, SECTOR, Flash, erase_steps
from hil.virtual.loader import Loader
from hil.virtual.loader_actions import Action, Erase, Program, Run, Send, SetBaud, Watch
from hil.virtual.registers import Registers
from hil.virtual.uart import Uart

SECTOR_ERASE = 0.045
BLOCK_ERASE = 0.15
"""Seconds to erase 4 KiB and 64 KiB: typical values of SPI NOR data sheets."""


class Downloading:
    """One stay in download mode, until it is cancelled.

    `wait` waits so many seconds of a real chip's time. `run` is called to boot what is in flash, and `watch` when the
    RTC watchdog is armed or stopped.
    """

    def __init__(
        self,
        loader: Loader,
        registers: Registers,
        flash: Flash,
        uart: Uart,
        *,
        wait: Callable[[float], Awaitable[None]],
        run: Callable[[], None],
        watch: Callable[[bool], None],
    ) -> None:
        self._loader = loader
        self._registers = registers
        self._flash = flash
        self._uart = uart
        self._wait = wait
        self._run = run
        self._watch = watch

    async def serve(self, received: asyncio.Queue[bytes], line_baud: Callable[[], int]) -> None:
        """Answer what arrives on RX. `line_baud` tells the speed of the host's side."""
        spoken = False
        while True:
            data = await received.get()
            if not spoken:
                # The ROM measures the host's speed by the first bytes that it gets.
                await self._uart.drained()
                self._uart.baud = line_baud()
            self._registers.uart_baud = self._uart.baud
            for action in self._loader.feed(await self._uart.received(data)):
                spoken = True
                await self._perform(action)

    async def _perform(self, action: Action) -> None:
        match action:
            case Send(data):
                self._uart.transmit(data)
            case Erase(offset, length):
                await erase(self._flash, offset, length, self._wait)
            case Program(offset, data):
                # Sector by sector, so that a power cut may come between any two.
                for start in range(0, len(data), SECTOR):
                    self._flash.program(offset + start, data[start : start + SECTOR])
                    await asyncio.sleep(0)
            case SetBaud(baud):
                await self._uart.drained()
                self._uart.baud = baud
            case Run():
                await self._uart.drained()
                self._run()
            case Watch(armed):
                self._watch(armed)


async def erase(flash: Flash, offset: int, length: int, wait: Callable[[float], Awaitable[None]]) -> None:
    """Erase whole sectors, each in its time; one that is cut off in it is erased by half."""
    for start, size in erase_steps(offset, length):
        seconds = BLOCK_ERASE if size == BLOCK else SECTOR_ERASE
        flash.erase_begun(start, size)
        await wait(seconds / 2)
        flash.erase(start, size)
        await wait(seconds / 2)
