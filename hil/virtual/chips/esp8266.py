"""The ESP8266 (ESP8266EX): an older ROM with fewer commands, and another way to boot (hil.virtual.eboot).

Its dev kits have a crystal of 26 MHz, so the ROM's words come at 74880 bit/s after power-on and after a reset by the
pin. Causes as the ROM counts them: 1 power-on, 2 the reset pin, and what shows after a restart by software, too, 4 the
watchdog (Arduino core's documentation, 'Boot Messages and Modes', and boot logs).
"""

from __future__ import annotations

from hil.virtual.chips.model import Chip, SpiController
from hil.virtual.host import Cause

_OTP = 0x3FF00050


def _mac_words(mac: bytes) -> dict[int, int]:
    return {
        _OTP: mac[5] << 24,
        _OTP + 4: int.from_bytes(mac[3:5], "big"),
        _OTP + 12: int.from_bytes(mac[:3], "big"),
    }


ESP8266 = Chip(
    name="esp8266",
    title="ESP8266",
    chip_id=None,
    code="Xtensa",
    bootloader_offset=0,
    banner="\r\n ets Jan  8 2013,",
    run_boot="boot mode:(3,6)",
    download_boot="boot mode:(1,6)",
    resets={
        Cause.POWER_ON: (1, ""),
        Cause.PIN: (2, ""),
        Cause.SOFTWARE: (2, ""),
        Cause.WATCHDOG: (4, ""),
        Cause.WATCHDOG_TIMER: (4, ""),
        Cause.BROWNOUT: (1, ""),
    },
    software_reset=Cause.SOFTWARE,
    empty_flash_reset=Cause.WATCHDOG,
    saved_pc=(),
    spi=SpiController(
        base=0x60000200,
        user=0x1C,
        user1=0x20,
        user2=0x24,
        mosi_length=None,
        miso_length=None,
        w0=0x40,
        address_shift=8,
        fresh=(0x80000064, 0x70000000),
        used=(0x80000064, 0x70000003),
    ),
    mac_words=_mac_words,
    security_info=None,
    drom=0x3FFE8000,
    irom=0x40201010,
    dram=0x3FFE8000,
    iram=0x40100000,
    magic=0xFFF0C101,
    xtal=26_000_000,
    rom_baud=74880,
    uart_divider=0x60000014,
    divided_clock=52_000_000,
)
