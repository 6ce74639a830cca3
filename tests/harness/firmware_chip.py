"""A chip without a chip: the reference firmware's process, its radio and its NVS are the real ones.

Flash is a plain file, the serial line a list of lines.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from esp_idf_nvs_partition_gen import nvs_partition_gen as generator
from firmware_loop import LIMIT

from hil.virtual import firmware
from hil.virtual.host import Cause, Clock, Host, Manifest
from hil.virtual.radio import Radio

NVS_OFFSET, NVS_SIZE = 0x9000, 0x5000


def nvs_image(values: dict[str, Any], namespace: str = "hil", size: int = NVS_SIZE) -> bytes:
    """An NVS partition as esp-idf-nvs-partition-gen makes it: int as u32, bytes as blob, str as string."""
    out = io.BytesIO()
    with generator.nvs_open(out, size, version=generator.Page.VERSION2) as nvs:
        generator.write_entry(nvs, namespace, "namespace", "", "")
        for key, value in values.items():
            if isinstance(value, bytes):
                generator.write_entry(nvs, key, "data", "hex2bin", value.hex())
            elif isinstance(value, int):
                generator.write_entry(nvs, key, "data", "u32", str(value))
            else:
                generator.write_entry(nvs, key, "data", "string", value)
    return out.getvalue()


class Chip:
    """Power, flash and serial line of a board that runs the reference firmware."""

    def __init__(self, directory: Path, values: dict[str, Any], *options: str, speed: float = 100.0) -> None:
        self.flash = directory / "chip.flash"
        content = bytearray(b"\xff" * 0x20000)
        content[NVS_OFFSET : NVS_OFFSET + NVS_SIZE] = nvs_image(values)
        self.flash.write_bytes(content)
        self.options = options
        self.partitions = {"nvs": (NVS_OFFSET, NVS_SIZE)}
        self.constants: dict[str, str | int] = {}
        self.speed = speed
        self.radio = Radio(name="test", speed=speed)
        self.clock = Clock()
        self.lines: list[str] = []
        self.restarts: list[Cause] = []
        self.download_disabled = False
        self.core: firmware.RunningCore | None = None
        self._rest = b""
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def add_partition(self, label: str, content: bytes) -> None:
        """Put a partition with that content behind all others."""
        with self.flash.open("ab") as file:
            self.partitions[label] = (file.tell(), len(content))
            file.write(content)

    async def boot(self, cause: Cause = Cause.POWER_ON) -> None:
        if cause is Cause.POWER_ON:
            self.clock = Clock()
        host = Host(
            name="test", chip="esp32", mac=bytes.fromhex("240ac4000102"), speed=self.speed, cause=cause,
            flash=self.flash, app=0x10000, partitions=self.partitions, clock=self.clock,
            radio=self.radio, _uart_output=self._output, _restart=self._restart,
            _flash_write=self._write, _flash_erase=self._erase, _disable_download=self._burn,
        )  # fmt: skip
        self.core = await firmware.start_core(Manifest("reference", "1.2.3", self.options, self.constants), host)

    async def cut(self) -> None:
        """Power off."""
        if self.core is not None:
            await self.core.kill()

    async def close(self) -> None:
        await self.cut()
        await self.radio.close()

    async def line(self, pattern: str, number: int = 0, seconds: float = LIMIT) -> re.Match[str]:
        """The n-th line that holds the pattern."""

        def found() -> list[re.Match[str]]:
            return [m for m in (re.search(pattern, text) for text in self.lines) if m]

        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: len(found()) > number)
        except TimeoutError:
            raise AssertionError(f"no line {pattern!r} in:\n" + "\n".join(self.lines)) from None
        return found()[number]

    def type(self, text: str) -> None:
        assert self.core is not None
        self.core.uart_input(text.encode() + b"\r\n")

    def _output(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        self.lines += [line.decode() for line in lines]
        self._later(self._notify())

    def _restart(self, cause: Cause) -> None:
        self.restarts.append(cause)

        async def again() -> None:
            await self.cut()
            await self.boot(cause)

        self._later(again())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _write(self, offset: int, data: bytes) -> None:
        with self.flash.open("r+b") as file:
            file.seek(offset)
            old = file.read(len(data))
            file.seek(offset)
            file.write(bytes(a & b for a, b in zip(old, data, strict=True)))

    def _burn(self) -> None:
        self.download_disabled = True

    def _erase(self, offset: int, length: int) -> None:
        assert (offset % 4096, length % 4096) == (0, 0)
        with self.flash.open("r+b") as file:
            file.seek(offset)
            file.write(b"\xff" * length)
