"""What the firmware has of its chip: clock, log, flash, serial line, reset. Everything goes over the link.

The firmware is one process with one thread and one asyncio loop. Times of protocols are real seconds. A wait that
stands for slow hardware (`hardware_wait`) is shortened by the speed factor, and the uptime that the log shows counts
it in full, so a log reads the same at any speed.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from hil.virtual.firmware import link
from hil.virtual.firmware.build import Build
from hil.virtual.firmware.link import Kind
from hil.virtual.host import Cause, Clock

ROM_AND_BOOTLOADER_MS = 280
"""Milliseconds that the log's clock shows when the app starts: ROM and second stage bootloader have run by then."""


class System:
    """The chip as the firmware sees it. `boot` is what the supervisor sent (see core.py)."""

    def __init__(self, wire: socket.socket, boot: dict[str, Any]) -> None:
        self._link = wire
        self._splitter = link.Splitter()
        self._sockets: list[socket.socket] = []
        self._started = time.monotonic()
        self._skipped = 0.0
        self.version: str = boot["version"]
        self.build = Build(boot["options"])
        self.constants: dict[str, str | int] = boot["constants"]
        self.name: str = boot["name"]
        self.chip: str = boot["chip"]
        self.mac = bytes.fromhex(boot["mac"])
        self.speed: float = boot["speed"]
        self.cause = Cause(boot["cause"])
        self.partitions: dict[str, tuple[int, int]] = {k: (v[0], v[1]) for k, v in boot["partitions"].items()}
        self.clock = Clock(boot["clock"])
        self._flash = Path(boot["flash"])
        self.on_uart: Callable[[bytes], None] = lambda data: None
        self.on_radio: Callable[[dict[str, Any], socket.socket | None], None] = lambda facts, carried: None

    # -- time -----------------------------------------------------------------------------------------------------

    def uptime_ms(self) -> int:
        """Milliseconds since reset, as esp_log_timestamp() gives them."""
        return ROM_AND_BOOTLOADER_MS + round(((time.monotonic() - self._started) + self._skipped) * 1000)

    async def hardware_wait(self, milliseconds: float) -> None:
        """Wait for something that is slow on a real board."""
        seconds = milliseconds / 1000
        await asyncio.sleep(seconds / self.speed)
        self._skipped += seconds - seconds / self.speed

    def set_clock(self, seconds: float) -> None:
        """settimeofday(): step the chip's clock to `seconds` since 1970. It keeps the time over a reset."""
        self.clock.set(seconds)
        self._send(Kind.CLOCK, struct.pack("!d", self.clock.zero))

    # -- console --------------------------------------------------------------------------------------------------

    def log(self, level: str, tag: str, text: str) -> None:
        """One line as ESP-IDF's log prints it; `level` is E, W, I or D."""
        if level in "EW" and self.build.lacks("error-log"):
            return
        self.print(f"{level} ({self.uptime_ms()}) {tag}: {text}")

    def print(self, text: str) -> None:
        """One line on the serial port, as it is."""
        self._send(Kind.UART, text.encode() + b"\r\n")

    # -- flash ----------------------------------------------------------------------------------------------------

    def flash_read(self, offset: int, length: int) -> bytes:
        """Bytes of the flash."""
        with self._flash.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as flash:
            return flash[offset : offset + length]

    def flash_write(self, offset: int, data: bytes) -> None:
        """Program bytes: clears bits, sets none."""
        self._send(Kind.FLASH_WRITE, struct.pack("!I", offset) + data)

    def flash_erase(self, offset: int, length: int) -> None:
        """Set whole sectors of 4 KiB to 0xFF."""
        self._send(Kind.FLASH_ERASE, struct.pack("!II", offset, length))

    def disable_download(self) -> None:
        """Burn the eFuse that turns the ROM's download mode off, for good."""
        self._send(Kind.BURN, b"")

    # -- reset ----------------------------------------------------------------------------------------------------

    def restart(self, cause: Cause = Cause.SOFTWARE) -> NoReturn:
        """esp_restart(), or the end of a panic: nothing runs after this."""
        self._send(Kind.RESTART, struct.pack("!H", cause))
        self.hang()

    def panic(self, reason: str, lines: list[str] | None = None) -> NoReturn:
        """What the panic handler prints, then the reset. The line's form is that of ESP-IDF's panic handler."""
        self.print(f"Guru Meditation Error: Core  0 panic'ed ({reason}). Exception was unhandled.")
        for line in lines or []:
            self.print(line)
        self.print("\r\nRebooting...")
        self.restart(Cause.PANIC)

    def hang(self) -> NoReturn:
        """Do nothing, for ever; only the end of the supervisor ends it (the link hangs up)."""
        watch = select.poll()
        watch.register(self._link, 0)  # 0: nothing but a hang-up or an error is reported (poll(2))
        watch.poll()
        os._exit(0)

    # -- the link -------------------------------------------------------------------------------------------------

    def radio(self, **facts: Any) -> None:
        """Ask the radio for something (the messages are listed in radio.py)."""
        self._send(Kind.RADIO, json.dumps(facts).encode())

    def _send(self, kind: Kind, payload: bytes) -> None:
        try:
            self._link.sendall(link.frame(kind, payload))
        except OSError:
            os._exit(0)  # the supervisor is gone, and with it the board

    def listen(self) -> None:
        """From now on, what comes over the link is handed to `on_uart` and `on_radio`."""
        asyncio.get_running_loop().add_reader(self._link, self._read)

    def _read(self) -> None:
        try:
            data, sockets = link.receive(self._link, flags=socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data, sockets = b"", []
        if not data:
            os._exit(0)
        self._sockets += sockets
        for kind, payload in self._splitter.feed(data):
            if kind is Kind.UART:
                self.on_uart(payload)
            elif kind in (Kind.RADIO, Kind.SOCKET):
                self.on_radio(json.loads(payload), self._sockets.pop(0) if kind is Kind.SOCKET else None)


def receive_boot(wire: socket.socket) -> dict[str, Any]:
    """Wait for the frame that says which chip this is; ends the process if the supervisor goes away instead."""
    splitter = link.Splitter()
    while True:
        # One byte after the other, so that nothing of the next frame is taken; it is a few hundred bytes, once a boot.
        data = wire.recv(1)
        if not data:
            os._exit(0)
        for kind, payload in splitter.feed(data):
            if kind is Kind.BOOT:
                facts: dict[str, Any] = json.loads(payload)
                return facts


def quiet_signals() -> None:
    """Whatever stops the supervisor's terminal is not the firmware's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
