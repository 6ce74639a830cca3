"""What tells one chip from another: identities, registers, and the words its mask ROM prints.

Sources: traces of the chips' mask ROMs (registers, GET_SECURITY_INFO, banners), Espressif's technical reference
manuals (addresses), and boot logs of real boards (boot: and rst: names). Known chips: esp32, esp32s3, esp32c3.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field

from hil.virtual.host import Cause

XTAL = 40_000_000
"""Frequency of the crystal on every dev kit, in Hz."""


@dataclass(frozen=True, slots=True)
class SpiController:
    """Addresses of the registers through which the loader drives the flash chip directly."""

    base: int
    user: int
    user1: int
    user2: int
    mosi_length: int
    miso_length: int
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
class Chip:
    """One chip's facts. `registers` are those whose value is fixed; all others read 0 until they are written."""

    name: str
    title: str
    chip_id: int
    bootloader_offset: int
    banner: str
    run_boot: str
    download_boot: str
    causes: dict[int, str]
    software_reset: Cause
    empty_flash_reset: Cause
    spi: SpiController
    mac_registers: tuple[int, int]
    security_info: bytes | None
    drom: int
    irom: int
    dram: int
    iram: int
    uart_divider: int | None = None
    registers: dict[int, int] = field(default_factory=dict)
    efuses: dict[str, EfuseField] = field(default_factory=dict)

    def mac_words(self, mac: bytes) -> dict[int, int]:
        """The eFuse words of the MAC address: its last four bytes, and its first two (on the ESP32 with a CRC)."""
        low, high = self.mac_registers
        first = int.from_bytes(mac[:2], "big")
        if self.name == "esp32":
            first |= mac_crc(mac) << 16
        return {low: int.from_bytes(mac[2:], "big"), high: first}

    def reset_name(self, cause: Cause) -> str:
        """What the ROM prints in brackets after `rst:`."""
        return self.causes.get(cause, "UNKNOWN")

    def shown(self, cause: Cause) -> Cause:
        """The cause whose value the ROM prints for a reset that was asked for by name."""
        return self.software_reset if cause in (Cause.SOFTWARE, Cause.PANIC) else cause


def _security_info(chip_id: int, api_version: int) -> bytes:
    # flags, flash encryption count, seven key purposes (as the traces show them), chip id, API version
    return struct.pack("<IB7sII", 0, 0, bytes((0, 0, 0, 0, 0, 0, 0x0C)), chip_id, api_version)


def _later_efuses(base: int) -> dict[str, EfuseField]:
    return {
        "UART_DOWNLOAD_DIS": EfuseField(base + 0x3C, 0),
        "SPI_BOOT_CRYPT_CNT": EfuseField(base + 0x34, 18, 3),
        "SECURE_BOOT_EN": EfuseField(base + 0x38, 20),
        "ENABLE_SECURITY_DOWNLOAD": EfuseField(base + 0x3C, 5),
    }


_LATER_CAUSES = {
    0x01: "POWERON",
    0x03: "RTC_SW_SYS_RST",
    0x07: "TG0WDT_SYS_RST",
    0x08: "TG1WDT_SYS_RST",
    0x0C: "RTC_SW_CPU_RST",
    0x0F: "BROWN_OUT_RST",
    0x10: "RTCWDT_RTC_RST",
}

_LATER_SPI = SpiController(
    base=0x60002000,
    user=0x18,
    user1=0x1C,
    user2=0x20,
    mosi_length=0x24,
    miso_length=0x28,
    w0=0x58,
    address_shift=0,
    fresh=(0x800000C0, 0x70000000),
    used=(0xD00000C0, 0x70000003),
)

ESP32 = Chip(
    name="esp32",
    title="ESP32",
    chip_id=0,
    bootloader_offset=0x1000,
    banner="ets Jul 29 2019 12:21:46\r\n\r\n",
    run_boot="boot:0x13 (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))",
    causes={
        0x01: "POWERON_RESET",
        0x03: "SW_RESET",
        0x07: "TG0WDT_SYS_RESET",
        0x08: "TG1WDT_SYS_RESET",
        0x0C: "SW_CPU_RESET",
        0x0F: "RTCWDT_BROWN_OUT_RESET",
        0x10: "RTCWDT_RTC_RESET",
    },
    software_reset=Cause.SOFTWARE,
    empty_flash_reset=Cause.WATCHDOG,
    spi=SpiController(
        base=0x3FF42000,
        user=0x1C,
        user1=0x20,
        user2=0x24,
        mosi_length=0x28,
        miso_length=0x2C,
        w0=0x80,
        address_shift=8,
        fresh=(0x80000040, 0x40000000),
        used=(0xD0000040, 0x70000003),
    ),
    mac_registers=(0x3FF5A004, 0x3FF5A008),
    security_info=None,
    drom=0x3F400020,
    irom=0x400D0020,
    dram=0x3FFB0000,
    iram=0x40080000,
    uart_divider=0x3FF40014,
    registers={
        0x40001000: 0x00F01D83,  # the ROM word by which the chip is told from its predecessors
        0x3FF5A00C: 0x00008000,  # eFuse: with the next one and the APB date, revision 3
        0x3FF5A014: 0x00100000,
        0x3FF6607C: 0x96042000,
        # A real ESP32 has its 8 MHz oscillator's frequency in eFuse (bits 0-7 of word 4; blank in the traces'
        # emulator), and its ROM measures the crystal against it: 1969 * 15625 * 52 / 40 = 40 MHz.
        0x3FF5A010: 52,
        0x3FF5F06C: 1969 << 7,
    },
    efuses={
        "UART_DOWNLOAD_DIS": EfuseField(0x3FF5A000, 27),
        "FLASH_CRYPT_CNT": EfuseField(0x3FF5A000, 20, 7),
        "ABS_DONE_0": EfuseField(0x3FF5A018, 4),
        "ABS_DONE_1": EfuseField(0x3FF5A018, 5),
    },
)

ESP32S3 = Chip(
    name="esp32s3",
    title="ESP32-S3",
    chip_id=9,
    bootloader_offset=0,
    banner="ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\n",
    run_boot="boot:0x8 (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x0 (DOWNLOAD(USB/UART0))",
    causes=_LATER_CAUSES,
    software_reset=Cause.SOFTWARE,
    empty_flash_reset=Cause.WATCHDOG_GROUP_0,
    spi=_LATER_SPI,
    mac_registers=(0x60007044, 0x60007048),
    security_info=_security_info(9, 0),
    drom=0x3C000020,
    irom=0x42000020,
    dram=0x3FC90000,
    iram=0x40374000,
    registers={0x60004038: 0x07},  # GPIO straps
    efuses=_later_efuses(0x60007000),
)

ESP32C3 = Chip(
    name="esp32c3",
    title="ESP32-C3",
    chip_id=5,
    bootloader_offset=0,
    banner="ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\n",
    run_boot="boot:0xf (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x4 (DOWNLOAD(USB/UART0/1))",
    causes=_LATER_CAUSES,
    software_reset=Cause.SOFTWARE_SYSTEM,
    empty_flash_reset=Cause.WATCHDOG_GROUP_0,
    spi=_LATER_SPI,
    mac_registers=(0x60008844, 0x60008848),
    security_info=_security_info(5, 3),
    drom=0x3C000020,
    irom=0x42000020,
    dram=0x3FC80000,
    iram=0x40380000,
    registers={0x60008850: 0x030C0000},  # eFuse: revision v0.3
    efuses=_later_efuses(0x60008800),
)

CHIPS = {chip.name: chip for chip in (ESP32, ESP32S3, ESP32C3)}


def mac_of(name: str) -> bytes:
    """A MAC address for a board of that name: one of Espressif's prefixes, the rest from the name."""
    return bytes((0x24, 0x0A, 0xC4)) + hashlib.sha256(name.encode()).digest()[:3]


def mac_crc(mac: bytes) -> int:
    """CRC-8 (reflected polynomial 0x8C, seed 0) that the ESP32 keeps in eFuse beside its MAC address."""
    crc = 0
    for byte in mac:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc
