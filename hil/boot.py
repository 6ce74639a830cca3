"""Why a board started: the cause in the first lines that its ROM prints after a reset.

    rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)     an ESP32
    rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)            an ESP32-S3
    hil-uno 1.0.0 reset MCUSR=0x08 (WDRF)                       a sketch on an AVR that tells what MCUSR held

The name in brackets differs by chip for the same cause; the value does not, so the value is what counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"rst:0x([0-9a-fA-F]+)\s*\((\w*)\)")

# By value, after the RESET_REASON of Espressif's ROM headers (rtc.h) for the ESP32, S3 and C3.
RESET_CAUSES = {
    0x1: "power-on",
    0x3: "software",
    0x4: "legacy watchdog",
    0x5: "deep sleep",
    0x6: "SDIO",
    0x7: "timer group 0 watchdog",
    0x8: "timer group 1 watchdog",
    0x9: "RTC watchdog (system)",
    0xA: "intrusion test",
    0xB: "timer group 0 watchdog (CPU)",
    0xC: "CPU software",
    0xD: "RTC watchdog (CPU)",
    0xE: "the other CPU",
    0xF: "brownout",
    0x10: "RTC watchdog",
    0x11: "timer group 1 watchdog (CPU)",
    0x12: "super watchdog",
    0x13: "clock glitch",
    0x14: "eFuse CRC",
    0x15: "USB-UART",
    0x16: "USB-JTAG",
    0x17: "power glitch",
}


BOOT_SIGN = re.compile(rb"rst:0x|reset MCUSR=0x")
"""What a line that may tell a reset cause has in it."""
_AVR_LINE = re.compile(r"reset MCUSR=0x([0-9a-fA-F]{1,2})\b")

# Bits of MCUSR, the one that tells most first: several may be set (ATmega328P data sheet, 11.9.1).
AVR_CAUSES = {0x1: "power-on", 0x4: "brownout", 0x8: "watchdog", 0x2: "external"}


@dataclass(frozen=True, slots=True)
class Boot:
    """A reset cause: the hex value after `rst:` or `MCUSR=`, its name in plain words, and the line that said so."""

    cause: int
    name: str
    line: str


def parse_boot(line: str) -> Boot | None:
    """The reset cause that `line` tells, or None if it tells none."""
    avr = _AVR_LINE.search(line)
    if avr is not None:
        flags = int(avr[1], 16)
        return Boot(flags, next((name for bit, name in AVR_CAUSES.items() if flags & bit), "unknown (no flag)"), line)
    match = _LINE.search(line)
    if match is None:
        return None
    cause = int(match[1], 16)
    return Boot(cause, RESET_CAUSES.get(cause, f"unknown ({match[2] or match[1]})"), line)
