"""The first ESP32: eFuses with a CRC beside the MAC address, and a ROM without GET_SECURITY_INFO."""

from __future__ import annotations

from hil.virtual.chips.model import Chip, EfuseField, SpiController
from hil.virtual.host import Cause

_EFUSES = 0x3FF5A000


def mac_crc(mac: bytes) -> int:
    """CRC-8 (reflected polynomial 0x8C, seed 0) that the ESP32 keeps in eFuse beside its MAC address."""
    crc = 0
    for byte in mac:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


def _mac_words(mac: bytes) -> dict[int, int]:
    high = int.from_bytes(mac[:2], "big") | mac_crc(mac) << 16
    return {_EFUSES + 4: int.from_bytes(mac[2:], "big"), _EFUSES + 8: high}


ESP32 = Chip(
    name="esp32",
    title="ESP32",
    chip_id=0,
    code="Xtensa",
    bootloader_offset=0x1000,
    banner="ets Jul 29 2019 12:21:46\r\n\r\n",
    run_boot="boot:0x13 (SPI_FAST_FLASH_BOOT)",
    download_boot="boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))",
    resets={
        Cause.POWER_ON: (0x01, "POWERON_RESET"),
        Cause.SOFTWARE_SYSTEM: (0x03, "SW_RESET"),
        Cause.WATCHDOG_GROUP_0: (0x07, "TG0WDT_SYS_RESET"),
        Cause.WATCHDOG_TIMER: (0x08, "TG1WDT_SYS_RESET"),
        Cause.SOFTWARE: (0x0C, "SW_CPU_RESET"),
        Cause.BROWNOUT: (0x0F, "RTCWDT_BROWN_OUT_RESET"),
        Cause.WATCHDOG: (0x10, "RTCWDT_RTC_RESET"),
    },
    software_reset=Cause.SOFTWARE,
    empty_flash_reset=Cause.WATCHDOG,
    spi_lines="configsip: 0, SPIWP:0xee\r\n"
    "clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00\r\n"
    "mode:DIO, clock div:1\r\n",
    saved_pc=(),
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
    mac_words=_mac_words,
    security_info=None,
    drom=0x3F400020,
    irom=0x400D0020,
    dram=0x3FFB0000,
    iram=0x40080000,
    magic=0x00F01D83,
    uart_divider=0x3FF40014,
    registers={
        _EFUSES + 0x0C: 0x00008000,  # with the next one and the APB date, revision 3
        _EFUSES + 0x14: 0x00100000,
        0x3FF6607C: 0x96042000,
        # A real ESP32 has its 8 MHz oscillator's frequency in eFuse (bits 0-7 of word 4; blank in the traces'
        # emulator), and its ROM measures the crystal against it: 1969 * 15625 * 52 / 40 = 40 MHz.
        _EFUSES + 0x10: 52,
        0x3FF5F06C: 1969 << 7,
    },
    efuses={
        "UART_DOWNLOAD_DIS": EfuseField(_EFUSES, 27),
        "FLASH_CRYPT_CNT": EfuseField(_EFUSES, 20, 7),
        "ABS_DONE_0": EfuseField(_EFUSES + 0x18, 4),
        "ABS_DONE_1": EfuseField(_EFUSES + 0x18, 5),
    },
)
