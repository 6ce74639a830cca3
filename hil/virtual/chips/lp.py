"""The chips with a high-power and a low-power system (HP, LP), which name their causes by them: C5, C6, C61, H2.

Names of causes from boot logs of the C6 (0x1, 0x3, 0x7, 0x8, 0x10, 0x15), C5 (0x1, 0x7, 0x8, 0xc, 0x15), H2 (0x1, 0xc,
0x15) and C61 (0xc); that of 0xf is unconfirmed. Words in download mode: C5 and C6 from logs, C61 and H2 unconfirmed.
"""

from __future__ import annotations

from dataclasses import replace

from hil.virtual.chips import later
from hil.virtual.chips.model import Chip, Watchdog
from hil.virtual.host import Cause

_LP_WATCHDOG = 0x600B1C00
_C6_EFUSES = 0x600B0800
_C5_EFUSES = 0x600B4800
_EUI64 = 0xFFFE  # what these chips put in the middle of their MAC address to make 64 bits of it

_CAUSES = {
    Cause.POWER_ON: (0x01, "POWERON"),
    Cause.SOFTWARE_SYSTEM: (0x03, "LP_SW_HPSYS"),
    Cause.WATCHDOG_GROUP_0: (0x07, "TG0_WDT_HPSYS"),
    Cause.WATCHDOG_TIMER: (0x08, "TG1_WDT_HPSYS"),
    Cause.SOFTWARE: (0x0C, "SW_CPU"),
    Cause.BROWNOUT: (0x0F, "LP_BOD_SYS"),
    Cause.WATCHDOG: (0x10, "LP_WDT_SYS"),
    Cause.USB: (0x15, "USB_UART_HPSYS"),
}

ESP32C6 = Chip(
    name="esp32c6",
    title="ESP32-C6",
    chip_id=13,
    code="RISC-V",
    bootloader_offset=0,
    banner="ESP-ROM:esp32c6-20220919\r\nBuild:Sep 19 2022\r\n",
    run_boot="boot:0xc (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x4 (DOWNLOAD(USB/UART0/SDIO_FEI_FEO))",
    resets=_CAUSES,
    software_reset=Cause.SOFTWARE,
    empty_flash_reset=Cause.WATCHDOG_GROUP_0,
    spi=later.spi(0x60003000),
    mac_words=later.mac(_C6_EFUSES + 0x44, _EUI64),
    security_info=later.security_info(13),
    drom=0x42200020,
    irom=0x42000020,
    dram=0x40800000,
    iram=0x40810000,
    watchdog=Watchdog(_LP_WATCHDOG, _LP_WATCHDOG + 0x18),
    registers={_C6_EFUSES + 0x50: 1 << 18},  # revision v0.1
    efuses=later.efuses(_C6_EFUSES),
)

ESP32H2 = replace(
    ESP32C6,
    name="esp32h2",
    title="ESP32-H2",
    chip_id=16,
    banner="ESP-ROM:esp32h2-20221101\r\nBuild:Nov  1 2022\r\n",
    download_boot="boot:0x4 (DOWNLOAD(USB/UART0))",
    security_info=later.security_info(16),
    xtal=32_000_000,
    assumed_xtal=32_000_000,
    watchdog=Watchdog(_LP_WATCHDOG, _LP_WATCHDOG + 0x1C),
)

ESP32C5 = replace(
    ESP32C6,
    name="esp32c5",
    title="ESP32-C5",
    chip_id=23,
    bootloader_offset=0x2000,
    banner="ESP-ROM:esp32c5-eco2-20250121\r\nBuild:Jan 21 2025\r\n",
    run_boot="boot:0x18 (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x8 (DOWNLOAD(UART0/USB))",
    spi_lines="SPI mode:DIO, clock div:1\r\n",
    saved_pc=("Core0 Saved PC",),
    mac_words=later.mac(_C5_EFUSES + 0x44, _EUI64),
    security_info=later.security_info(23),
    xtal=48_000_000,
    assumed_xtal=48_000_000,
    uart_divider=0x60000014,
    divided_clock=48_000_000,
    registers={_C5_EFUSES + 0x4C: 1 << 4, 0x60096110: 48 << 24},  # revision v1.0; the crystal that the ROM expects
    efuses=later.efuses(_C5_EFUSES, encryption=(2, 16), secure_boot=(3, 25)),
)

ESP32C61 = replace(
    ESP32C6,
    name="esp32c61",
    title="ESP32-C61",
    chip_id=20,
    banner="ESP-ROM:esp32c61-eco3-20250228\r\nBuild:Feb 28 2025\r\n",
    download_boot="boot:0x4 (DOWNLOAD(UART0/USB))",
    spi_lines="SPI mode:DIO, clock div:1\r\n",
    saved_pc=("Core0 Saved PC",),
    mac_words=later.mac(_C5_EFUSES + 0x44),
    security_info=later.security_info(20),
    registers={_C5_EFUSES + 0x4C: 1 << 4},  # revision v1.0
    efuses=later.efuses(
        _C5_EFUSES, encryption=(1, 23), secure_boot=(2, 26), no_download=(3, 0), secure_download=(3, 4)
    ),
)
