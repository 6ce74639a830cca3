"""The ESP32-P4, revision v1.3, which has no radio: on a real board its network is Ethernet, or another chip's Wi-Fi.

Banner, `boot:` words and the causes 0x1, 0x7, 0xc, 0x10 and 0x17 from boot logs. 0x17 is a reset by USB here; on the
S3, C3 and H2 it is a power glitch. Names of 0x3 and 0xf are unconfirmed.
"""

from __future__ import annotations

from hil.virtual.chips import later
from hil.virtual.chips.model import Chip, Watchdog
from hil.virtual.host import Cause

_EFUSES = 0x5012D000
_LP_WATCHDOG = 0x50116000

ESP32P4 = Chip(
    name="esp32p4",
    title="ESP32-P4",
    chip_id=18,
    code="RISC-V",
    bootloader_offset=0x2000,
    banner="ESP-ROM:esp32p4-eco2-20240710\r\nBuild:Jul 10 2024\r\n",
    run_boot="boot:0x30f (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x307 (DOWNLOAD(USB/UART0/SPI))",
    resets={
        Cause.POWER_ON: (0x01, "POWERON"),
        Cause.SOFTWARE_SYSTEM: (0x03, "SW_SYS_RESET"),
        Cause.WATCHDOG_GROUP_0: (0x07, "HP_SYS_HP_WDT_RESET"),
        Cause.WATCHDOG_TIMER: (0x07, "HP_SYS_HP_WDT_RESET"),
        Cause.SOFTWARE: (0x0C, "SW_CPU_RESET"),
        Cause.BROWNOUT: (0x0F, "SYS_BROWN_OUT_RESET"),
        Cause.WATCHDOG: (0x10, "CHIP_LP_WDT_RESET"),
        Cause.USB: (0x17, "CHIP_USB_UART_RESET"),
    },
    software_reset=Cause.SOFTWARE,
    empty_flash_reset=Cause.WATCHDOG_GROUP_0,
    spi=later.spi(0x5008D000),
    mac_words=later.mac(_EFUSES + 0x44),
    security_info=later.security_info(18),
    drom=0x40200020,
    irom=0x40000020,
    dram=0x4FF40000,
    iram=0x4FF00000,
    spi_lines="SPI mode:DIO, clock div:1\r\n",
    saved_pc=("Core0 Saved PC", "Core1 Saved PC"),
    watchdog=Watchdog(_LP_WATCHDOG, _LP_WATCHDOG + 0x18),
    registers={_EFUSES + 0x4C: 1 << 4 | 3},  # revision v1.3
    efuses=later.efuses(_EFUSES),
)
