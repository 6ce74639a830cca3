"""The first chips of the C series.

ESP32-C2: Espressif's dev kit has a crystal of 26 MHz, which the ROM takes for one of 40 MHz: its words come at 74880
bit/s, and a host that asks the ROM for a speed has to ask for 40/26 of it (esptool, targets/esp32c2.py). Banner and
cause 0x1 from boot logs; its other causes' names, and its words in download mode, are unconfirmed.
"""

from __future__ import annotations

from hil.virtual.chips import later
from hil.virtual.chips.model import Chip, Watchdog
from hil.virtual.host import Cause

_EFUSES = 0x60008800

ESP32C2 = Chip(
    name="esp32c2",
    title="ESP32-C2",
    chip_id=12,
    code="RISC-V",
    bootloader_offset=0,
    banner="ESP-ROM:esp8684-api2-20220127\r\nBuild:Jan 27 2022\r\n",
    run_boot="boot:0xc (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x4 (DOWNLOAD(UART0))",
    resets={cause: shown for cause, shown in later.CAUSES.items() if cause not in (Cause.USB, Cause.WATCHDOG_TIMER)}
    # One timer group only: its watchdog is the interrupt watchdog, too.
    | {Cause.WATCHDOG_TIMER: later.CAUSES[Cause.WATCHDOG_GROUP_0]},
    software_reset=Cause.SOFTWARE,
    empty_flash_reset=Cause.WATCHDOG_GROUP_0,
    spi=later.spi(0x60002000),
    mac_words=later.mac(_EFUSES + 0x40),
    security_info=later.security_info(12, 2),
    drom=0x3C000020,
    irom=0x42000020,
    dram=0x3FCA8000,
    iram=0x4037C000,
    xtal=26_000_000,
    rom_baud=74880,
    uart_divider=0x60000014,
    divided_clock=26_000_000,
    watchdog=Watchdog(0x60008084, 0x6000809C),
    registers={_EFUSES + 0x44: 1 << 20},  # revision v1.0
    efuses=later.efuses(_EFUSES, encryption=(1, 7), secure_boot=(1, 21), no_download=(1, 14), secure_download=(1, 16)),
)

ESP32C3 = Chip(
    name="esp32c3",
    title="ESP32-C3",
    chip_id=5,
    code="RISC-V",
    bootloader_offset=0,
    banner="ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\n",
    run_boot="boot:0xf (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x4 (DOWNLOAD(USB/UART0/1))",
    resets=later.CAUSES,
    software_reset=Cause.SOFTWARE_SYSTEM,
    empty_flash_reset=Cause.WATCHDOG_GROUP_0,
    spi=later.spi(0x60002000),
    mac_words=later.mac(_EFUSES + 0x44),
    security_info=later.security_info(5, 3),
    drom=0x3C000020,
    irom=0x42000020,
    dram=0x3FC80000,
    iram=0x40380000,
    watchdog=Watchdog(0x60008090, 0x600080A8),
    registers={_EFUSES + 0x50: 0x030C0000},  # revision v0.3
    efuses=later.efuses(_EFUSES),
)
