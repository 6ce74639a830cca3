"""The S series: USB-OTG in the chip, and a ROM that tells its build.

ESP32-S2: banner and causes 0x1 and 0xc from boot logs. Its words in download mode are unconfirmed.
"""

from __future__ import annotations

from hil.virtual.chips import later
from hil.virtual.chips.model import Chip, Watchdog
from hil.virtual.host import Cause

_S2_EFUSES = 0x3F41A000
_S3_EFUSES = 0x60007000

ESP32S2 = Chip(
    name="esp32s2",
    title="ESP32-S2",
    chip_id=2,
    code="Xtensa",
    bootloader_offset=0x1000,
    banner="ESP-ROM:esp32s2-rc4-20191025\r\nBuild:Oct 25 2019\r\n",
    run_boot="boot:0x8 (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x0 (DOWNLOAD(USB/UART0))",
    resets={cause: shown for cause, shown in later.CAUSES.items() if cause is not Cause.USB},
    software_reset=Cause.SOFTWARE,
    empty_flash_reset=Cause.WATCHDOG_GROUP_0,
    spi=later.spi(0x3F402000),
    mac_words=later.mac(_S2_EFUSES + 0x44),
    security_info=later.security_info(None),
    drom=0x3F000020,
    irom=0x40080020,
    dram=0x3FFB0000,
    iram=0x40024000,
    magic=0x000007C6,
    watchdog=Watchdog(0x3F408094, 0x3F4080AC),
    efuses=later.efuses(_S2_EFUSES),
)

ESP32S3 = Chip(
    name="esp32s3",
    title="ESP32-S3",
    chip_id=9,
    code="Xtensa",
    bootloader_offset=0,
    banner="ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\n",
    run_boot="boot:0x8 (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x0 (DOWNLOAD(USB/UART0))",
    resets=later.CAUSES,
    software_reset=Cause.SOFTWARE,
    empty_flash_reset=Cause.WATCHDOG_GROUP_0,
    spi=later.spi(0x60002000),
    mac_words=later.mac(_S3_EFUSES + 0x44),
    security_info=later.security_info(9),
    drom=0x3C000020,
    irom=0x42000020,
    dram=0x3FC90000,
    iram=0x40374000,
    watchdog=Watchdog(0x60008098, 0x600080B0),
    registers={0x60004038: 0x07},  # GPIO straps
    efuses=later.efuses(_S3_EFUSES),
)
