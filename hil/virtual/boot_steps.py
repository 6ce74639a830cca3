"""What booting is made of: the steps that ROM and bootloader yield, and what every ROM says first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hil.virtual.chips import Chip
from hil.virtual.host import Cause, Manifest
from hil.wire.partitions import Partition, Table

ROM_TIME = 0.03
"""Seconds from reset to the banner."""
APP_BAUD = 115200
"""What bootloaders and firmware set, whatever the ROM had."""


class ReadableFlash(Protocol):
    """What booting needs of the flash."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Raises ValueError outside of the flash."""


@dataclass(frozen=True, slots=True)
class Print:
    """Wait `seconds` of a real chip's time, then put `text` on the console."""

    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Rate:
    """From here on the UART runs at `baud`."""

    baud: int


@dataclass(frozen=True, slots=True)
class Reset:
    """The chip gives up and starts anew."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class Start:
    """A firmware that this board knows is to run."""

    manifest: Manifest
    app: Partition
    table: Table


@dataclass(frozen=True, slots=True)
class Halt:
    """The app is valid, and cannot be executed here: the chip does nothing until the next reset."""


Step = Print | Rate | Reset | Start | Halt

STARTED_ANEW = (Cause.POWER_ON, Cause.PIN)
"""Resets after which the ROM knows nothing of what ran before."""


def rom_banner(chip: Chip, cause: Cause, *, download: bool) -> str:
    """What the ROM says first after every reset."""
    number, name = chip.printed(cause)
    boot = chip.download_boot if download else chip.run_boot
    if chip.name == "esp8266":
        text = f"{chip.banner}rst cause:{number}, {boot}\r\n\r\n"
        return text + "wdt reset\r\n" if number == chip.printed(Cause.WATCHDOG)[0] else text
    text = f"{chip.banner}rst:0x{number:x} ({name}),{boot}\r\n"
    if cause not in STARTED_ANEW:
        text += "".join(f"{words}:0x{chip.iram + 0x396:08x}\r\n" for words in chip.saved_pc)
    return text + "waiting for download\r\n" if download else text
