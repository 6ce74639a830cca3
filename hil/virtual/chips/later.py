"""What the chips after the first ESP32 have in common: GET_SECURITY_INFO, the SPI controller, the eFuse controller."""

from __future__ import annotations

import struct

from hil.virtual.chips.model import EfuseField, MacWords, SpiController
from hil.virtual.host import Cause

CAUSES = {
    Cause.POWER_ON: (0x01, "POWERON"),
    Cause.SOFTWARE_SYSTEM: (0x03, "RTC_SW_SYS_RST"),
    Cause.WATCHDOG_GROUP_0: (0x07, "TG0WDT_SYS_RST"),
    Cause.WATCHDOG_TIMER: (0x08, "TG1WDT_SYS_RST"),
    Cause.SOFTWARE: (0x0C, "RTC_SW_CPU_RST"),
    Cause.BROWNOUT: (0x0F, "BROWNOUT_RST"),
    Cause.WATCHDOG: (0x10, "RTCWDT_RTC_RST"),
    Cause.USB: (0x15, "USB_UART_CHIP_RESET"),
}
"""As the S2, S3, C2 and C3 name them. The S2 and C2 have no USB-Serial/JTAG, so no USB cause."""


def security_info(chip_id: int | None, api_version: int = 0) -> bytes:
    """The answer to GET_SECURITY_INFO: flags, flash encryption count, seven key purposes (as the traces show them),
    and on chips after the S2 (None) the chip's id and the version of the ROM's interface."""
    told = struct.pack("<IB7s", 0, 0, bytes((0, 0, 0, 0, 0, 0, 0x0C)))
    return told if chip_id is None else told + struct.pack("<II", chip_id, api_version)


def spi(base: int) -> SpiController:
    """The SPI controller in front of the flash, as all chips after the ESP32 have it."""
    return SpiController(
        base=base,
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


def mac(low: int, extension: int = 0) -> MacWords:
    """The MAC address in the eFuse words at `low` and `low` + 4; `extension`: the upper half of the second (EUI-64)."""

    def words(address: bytes) -> dict[int, int]:
        high = int.from_bytes(address[:2], "big") | extension << 16
        return {low: int.from_bytes(address[2:], "big"), low + 4: high}

    return words


Place = tuple[int, int]
"""Word of block 0 (from 0, the write protection) and lowest bit, as espefuse's tables have them."""


def efuses(
    base: int,
    *,
    encryption: Place = (2, 18),
    secure_boot: Place = (3, 20),
    no_download: Place = (4, 0),
    secure_download: Place = (4, 5),
) -> dict[str, EfuseField]:
    """Those that matter to a bench, of the controller at `base`."""

    def at(place: Place, width: int = 1) -> EfuseField:
        return EfuseField(base + 0x2C + 4 * place[0], place[1], width)

    return {
        "UART_DOWNLOAD_DIS": at(no_download),
        "SPI_BOOT_CRYPT_CNT": at(encryption, 3),
        "SECURE_BOOT_EN": at(secure_boot),
        "ENABLE_SECURITY_DOWNLOAD": at(secure_download),
    }
