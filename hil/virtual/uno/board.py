"""One virtual Uno: the simulated board as a child process, and the USB-UART bridge in front of it.

The bridge is the one of the virtual dev kits (hil.virtual.serial_server). Its DTR reaches RESET through a capacitor:
asserting it resets the chip, and holding it asserted does nothing more. RTS is not connected.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil.virtual.serial_server import Port, SerialServer
from hil.virtual.uno import build

MOST_AT_ONCE = 4096
"""Bytes in one message to the simulated board."""
SETTLES = 10.0
"""Seconds within which the simulated board does what it was told, on a machine that is busy."""
_FLAGS = {1: "PORF", 2: "EXTRF", 4: "BORF", 8: "WDRF"}


class _BridgePort(Port):
    """A port whose rate reaches the wire, and whose DTR resets the chip."""

    def __init__(self, wires: UnoBoard) -> None:
        self._rate = 115200
        self._board = wires
        super().__init__(wires)

    @property
    def baudrate(self) -> int:
        """In bit/s."""
        return self._rate

    @baudrate.setter
    def baudrate(self, rate: int) -> None:
        self._rate = rate
        self._board.set_rate(rate)


class UnoBoard:
    """The board `name`, whose flash and EEPROM lie in `folder`; off at first. `speed`: 1 for real time.

    Use `start` before anything else. Raises build.BuildError, OSError and ValueError for files that are no Uno's.
    """

    def __init__(self, name: str, folder: Path, speed: float = 1.0) -> None:
        self.name = name
        self.power = False
        self.causes: list[str] = []
        self._files = [folder / f"{name}.flash", folder / f"{name}.eeprom"]
        self._speed = speed
        self._dtr = False
        self._child: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.serial = SerialServer(self, _BridgePort(self))

    async def start(self) -> None:
        """Make what is not there yet, and start the simulated board, without power."""
        program = await asyncio.to_thread(build.board_program)
        flash, eeprom = self._files
        if not flash.exists():
            blank = b"\xff" * build.BOOT
            _create(flash, blank + await asyncio.to_thread(build.bootloader))
        if not eeprom.exists():
            _create(eeprom, b"\xff" * build.EEPROM_BYTES)
        for file, size in ((flash, build.FLASH_BYTES), (eeprom, build.EEPROM_BYTES)):
            if file.stat().st_size != size:
                raise ValueError(f"{file} has {file.stat().st_size} bytes, expected {size}: remove it to start anew")
        self._child = await asyncio.create_subprocess_exec(
            str(program),
            str(flash),
            str(eeprom),
            str(self._speed),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._listener = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """The end of the virtual board: ports and program closed."""
        await self.serial.close()
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), SETTLES)
            if self._child.returncode is None:
                self._child.kill()
                await self._child.wait()
        if self._listener is not None:
            await self._listener

    # -- orders ----------------------------------------------------------------------------------------------------

    async def power_on(self) -> None:
        """Connect the supply, and wait until the chip has started. Nothing happens if it is connected."""
        await self._supply(True)

    async def power_off(self) -> None:
        """Cut the supply, and wait until nothing runs any more."""
        await self._supply(False)

    def state(self) -> dict[str, Any]:
        """See `hil.virtual.control.Controlled`; `causes`: the flags in MCUSR at each start, the newest last."""
        return {"name": self.name, "chip": "atmega328p", "power": self.power, "causes": self.causes[-16:]}

    def more_orders(self) -> dict[str, Callable[[], None]]:
        """None."""
        return {}

    async def _supply(self, on: bool) -> None:
        self._changed.clear()
        self._tell(b"P", bytes([on]))
        while self.power is not on:
            if self._child is None or self._child.returncode is not None:
                raise ConnectionError("the simulated board has ended")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), SETTLES)
            self._changed.clear()

    # -- wires -----------------------------------------------------------------------------------------------------

    def lines_changed(self, dtr: bool, rts: bool) -> None:
        """See `hil.virtual.serial_server.Wires`."""
        if dtr and not self._dtr:
            self._tell(b"X")
        self._dtr = dtr

    def receive(self, data: bytes) -> None:
        """Bytes for RXD; what comes while there is no power is lost."""
        for at in range(0, len(data), MOST_AT_ONCE):
            self._tell(b"D", data[at : at + MOST_AT_ONCE])

    def set_rate(self, rate: int) -> None:
        """The rate of the bridge's side of the line, in bit/s."""
        self._tell(b"B", struct.pack("<I", rate))

    # -- the child -------------------------------------------------------------------------------------------------

    def _tell(self, kind: bytes, data: bytes = b"") -> None:
        if self._child is not None and self._child.stdin is not None and self._child.returncode is None:
            self._child.stdin.write(kind + struct.pack("<H", len(data)) + data)

    async def _listen(self) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        try:
            while True:
                kind, size = struct.unpack("<cH", await self._child.stdout.readexactly(3))
                self._hear(kind, await self._child.stdout.readexactly(size))
        except asyncio.IncompleteReadError:
            self.power = False
        code = await self._child.wait()
        if code:
            print(f"the simulated board ended with exit code {code}", file=sys.stderr, flush=True)
        self._changed.set()

    def _hear(self, kind: bytes, data: bytes) -> None:
        if kind == b"D":
            self.serial.send(data)
        elif kind == b"S":
            self.power = True
            self.causes.append("+".join(name for bit, name in _FLAGS.items() if data[0] & bit))
            del self.causes[:-64]
            self._changed.set()
        elif kind == b"O":
            self.power = False
            self._changed.set()


def _create(path: Path, content: bytes) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(content)
    draft.replace(path)
