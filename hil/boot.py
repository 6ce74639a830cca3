"""Why a board started: the cause in the first lines that its ROM prints after a reset.

    rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)     an ESP32
    rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)            an ESP32-S3
     ets Jan  8 2013,rst cause:2, boot mode:(3,6)               an ESP8266
    hil-uno 1.0.0 reset MCUSR=0x08 (WDRF)                       a sketch on an AVR that tells what MCUSR held

The name in brackets differs by chip for the same cause; the value does not, so the value is what counts. A few values
mean different things on different chips: the line before it says which chip it is (`ESP-ROM:esp32p4-eco2-20240710`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# By value: ESP-IDF, components/soc/<chip>/include/soc/reset_reasons.h, and for what only the ESP32's and the S3's ROM
# headers (rom/rtc.h) name: 0x4, 0xa, 0xe.
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
    0x18: "JTAG (CPU)",
    0x19: "power glitch",
    0x1A: "CPU lock-up",
}

# What a value means on one chip and no other. P4: OpenOCD's copy of its reset_reasons.h, which has one watchdog for all
# of the high-power system in place of two timer groups'.
OF_CHIP = {
    "esp32p4": {
        0x5: "deep sleep",
        0x6: "power-down (CPU)",
        0x7: "HP watchdog",
        0x9: "LP watchdog (system)",
        0xA: "LP CPU",
        0xB: "HP watchdog (core)",
        0xD: "LP watchdog (core)",
        0x10: "LP watchdog",
        0x17: "USB-UART",
    },
}

# Of the ESP8266, by the number after `rst cause:` (Arduino core's documentation, 'Boot Messages and Modes'; logs show 2
# after a restart by software and after an exception, too).
ESP8266_CAUSES = {1: "power-on", 2: "reset pin or software", 3: "software", 4: "watchdog"}

# Bits of MCUSR, the one that tells most first: several may be set (ATmega328P data sheet, 11.9.1).
AVR_CAUSES = {0x1: "power-on", 0x4: "brownout", 0x8: "watchdog", 0x2: "external"}

BOOT_SIGN = re.compile(rb"rst:0x|ESP-ROM:|ets J|reset MCUSR=0x")
"""What a line has in it that may tell a reset cause, or whose ROM the next one comes from."""

_LINE = re.compile(r"rst:0x([0-9a-fA-F]+)\s*\((\w*)\)")
_ROM = re.compile(r"ESP-ROM:(esp[0-9]+[a-z]*[0-9]*)-|\bets J")
_ESP8266_LINE = re.compile(r"\brst cause:(\d+), boot mode:\(\d+,\d+\)")
_AVR_LINE = re.compile(r"reset MCUSR=0x([0-9a-fA-F]{1,2})\b")


@dataclass(frozen=True, slots=True)
class Boot:
    """A reset cause: the value after `rst:` or `MCUSR=`, its name in plain words, and the line that said so."""

    cause: int
    name: str
    line: str


class BootLines:
    """Reads a console's lines in order: a ROM's banner says which chip's numbers the cause behind it is one of."""

    def __init__(self) -> None:
        self._chip: str | None = None

    def read(self, line: str) -> Boot | None:
        """The reset cause that `line` tells, or None if it tells none."""
        rom = _ROM.search(line)
        if rom is not None:
            self._chip = rom[1]
        return parse_boot(line, self._chip)


def parse_boot(line: str, chip: str | None = None) -> Boot | None:
    """The reset cause that `line` tells, or None if it tells none. `chip` as its ROM or esptool names it, if known."""
    avr = _AVR_LINE.search(line)
    if avr is not None:
        flags = int(avr[1], 16)
        return Boot(flags, next((name for bit, name in AVR_CAUSES.items() if flags & bit), "unknown (no flag)"), line)
    old = _ESP8266_LINE.search(line)
    if old is not None:
        return Boot(int(old[1]), ESP8266_CAUSES.get(int(old[1]), f"unknown ({old[1]})"), line)
    match = _LINE.search(line)
    if match is None:
        return None
    cause = int(match[1], 16)
    names = {**RESET_CAUSES, **OF_CHIP.get(chip or "", {})}
    return Boot(cause, names.get(cause, f"unknown ({match[2] or match[1]})"), line)
