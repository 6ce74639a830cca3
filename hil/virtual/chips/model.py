"""What a chip's facts are: the form that each of them is written down in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hil.virtual.host import Cause

MacWords = Callable[[bytes], dict[int, int]]
"""From a MAC address (6 bytes) to the words in which a host finds it, by address."""


@dataclass(frozen=True, slots=True)
class SpiController:
    """Addresses of the registers through which the loader drives the flash chip directly.

    `mosi_length` and `miso_length` are None on the ESP8266, which has both lengths in `user1`.
    """

    base: int
    user: int
    user1: int
    user2: int
    mosi_length: int | None
    miso_length: int | None
    w0: int
    address_shift: int  # the address register holds 24-bit addresses shifted up by this many bits
    fresh: tuple[int, int]  # user and user2 after reset
    used: tuple[int, int]  # ... and after the ROM has worked on the flash


@dataclass(frozen=True, slots=True)
class EfuseField:
    """Where a host reads an eFuse: the register's address, the lowest bit, how many bits."""

    register: int
    shift: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Watchdog:
    """The RTC (or LP) watchdog, with which a host resets a chip whose port has no reset lines: register addresses.

    A host writes the key 0x50D83AA1 to `protect`, then `config0` with its enable bit (31).
    """

    config0: int
    protect: int


@dataclass(frozen=True, slots=True)
class Chip:
    """One chip's facts. `registers` are those whose value is fixed; all others read 0 until they are written.

    `resets` are the numbers and names of the reset causes as the ROM prints them. `xtal` is the crystal of the usual
    dev kit in Hz, `assumed_xtal` what the ROM takes it for when it sets a baud rate. `rom_baud` is the speed of the
    ROM's words after power-on. `divided_clock`: what the UART divides, if a host finds the crystal by its divider.
    """

    name: str
    title: str
    chip_id: int | None
    code: str
    bootloader_offset: int
    banner: str
    run_boot: str
    download_boot: str
    resets: Mapping[Cause, tuple[int, str]]
    software_reset: Cause
    empty_flash_reset: Cause
    spi: SpiController
    mac_words: MacWords
    security_info: bytes | None
    drom: int
    irom: int
    dram: int
    iram: int
    spi_lines: str = "SPIWP:0xee\r\nmode:DIO, clock div:1\r\n"
    saved_pc: tuple[str, ...] = ("Saved PC",)
    magic: int | None = None
    xtal: int = 40_000_000
    assumed_xtal: int = 40_000_000
    rom_baud: int = 115200
    uart_divider: int | None = None
    divided_clock: int = 40_000_000
    watchdog: Watchdog | None = None
    registers: Mapping[int, int] = field(default_factory=dict)
    efuses: Mapping[str, EfuseField] = field(default_factory=dict)

    def fixed_words(self, mac: bytes) -> dict[int, int]:
        """Every word that no store can change, with the MAC address in its place."""
        words = dict(self.registers)
        for address, word in self.mac_words(mac).items():
            words[address] = words.get(address, 0) | word
        if self.magic is not None:
            words[MAGIC_REGISTER] = self.magic
        return words

    def shown(self, cause: Cause) -> Cause:
        """The cause that a firmware learns, for a reset that was asked for by name."""
        if cause in (Cause.SOFTWARE, Cause.PANIC):
            return self.software_reset
        return Cause.POWER_ON if cause is Cause.PIN else cause

    def printed(self, cause: Cause) -> tuple[int, str]:
        """Number and name of the cause as the ROM prints them."""
        known = cause if cause is Cause.PIN and cause in self.resets else self.shown(cause)
        return self.resets.get(known, (int(known), "UNKNOWN"))


MAGIC_REGISTER = 0x40001000
"""A word of the mask ROM by which the first chips are told from each other (esptool, CHIP_DETECT_MAGIC_REG_ADDR)."""
