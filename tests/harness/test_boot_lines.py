"""What each chip's ROM prints, and the cause that is read from it: lines of real boards, and of every virtual chip."""

from __future__ import annotations

import pytest

from hil.boot import BootLines, parse_boot
from hil.virtual.boot_steps import rom_banner
from hil.virtual.chips import CHIPS
from hil.virtual.host import Cause

# Lines of logs that people have published of real boards: the ROM's banner, its cause, what that is.
REAL = [
    ("ets Jul 29 2019 12:21:46", "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", "power-on"),
    ("ets Jun  8 2016 00:22:57", "rst:0x10 (RTCWDT_RTC_RESET),boot:0x1 (DOWNLOAD_BOOT(UART0))", "RTC watchdog"),
    ("ESP-ROM:esp32s2-rc4-20191025", "rst:0xc (RTC_SW_CPU_RST),boot:0x8 (SPI_FAST_FLASH_BOOT)", "CPU software"),
    ("ESP-ROM:esp32s3-20210327", "rst:0x15 (USB_UART_CHIP_RESET),boot:0x2b (SPI_FAST_FLASH_BOOT)", "USB-UART"),
    ("ESP-ROM:esp32s3-20210327", "rst:0xf (BROWNOUT_RST),boot:0x0 (DOWNLOAD(USB/UART0))", "brownout"),
    ("ESP-ROM:esp8684-api2-20220127", "rst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)", "power-on"),
    (
        "ESP-ROM:esp32c3-api1-20210207",
        "rst:0x7 (TG0WDT_SYS_RST),boot:0x8 (SPI_FAST_FLASH_BOOT)",
        "timer group 0 watchdog",
    ),
    ("ESP-ROM:esp32c5-eco2-20250121", "rst:0x15 (USB_UART_HPSYS),boot:0x18 (SPI_FAST_FLASH_BOOT)", "USB-UART"),
    ("ESP-ROM:esp32c5-eco2-20250121", "rst:0x1a (CPU_LOCKUP)", "CPU lock-up"),
    ("ESP-ROM:esp32c6-20220919", "rst:0x3 (LP_SW_HPSYS),boot:0x1e (SPI_FAST_FLASH_BOOT)", "software"),
    ("ESP-ROM:esp32c6-20220919", "rst:0x18 (JTAG_CPU),boot:0x4 (DOWNLOAD(USB/UART0/SDIO_FEI_FEO))", "JTAG (CPU)"),
    ("ESP-ROM:esp32c61-eco3-20250228", "rst:0xc (SW_CPU),boot:0xc (SPI_FAST_FLASH_BOOT)", "CPU software"),
    ("ESP-ROM:esp32h2-20221101", "rst:0x15 (USB_UART_HPSYS),boot:0xc (SPI_FAST_FLASH_BOOT)", "USB-UART"),
    ("ESP-ROM:esp32p4-eco2-20240710", "rst:0x17 (CHIP_USB_UART_RESET),boot:0x30f (SPI_FAST_FLASH_BOOT)", "USB-UART"),
    ("ESP-ROM:esp32p4-eco7-20260109", "rst:0x7 (HP_SYS_HP_WDT_RESET),boot:0xc (SPI_FAST_FLASH_BOOT)", "HP watchdog"),
    ("", " ets Jan  8 2013,rst cause:4, boot mode:(3,6)", "watchdog"),
    ("", " ets Jan  8 2013,rst cause:2, boot mode:(1,7)", "reset pin or software"),
]

PLAIN = {
    Cause.POWER_ON: "power-on",
    Cause.PIN: "power-on",
    Cause.SOFTWARE_SYSTEM: "software",
    Cause.WATCHDOG_GROUP_0: "timer group 0 watchdog",
    Cause.WATCHDOG_TIMER: "timer group 1 watchdog",
    Cause.SOFTWARE: "CPU software",
    Cause.PANIC: "CPU software",
    Cause.BROWNOUT: "brownout",
    Cause.WATCHDOG: "RTC watchdog",
    Cause.USB: "USB-UART",
}
OTHERWISE = {
    "esp32c2": {Cause.WATCHDOG_TIMER: "timer group 0 watchdog"},
    "esp32c3": {Cause.SOFTWARE: "software", Cause.PANIC: "software"},
    "esp32p4": {
        Cause.WATCHDOG_GROUP_0: "HP watchdog",
        Cause.WATCHDOG_TIMER: "HP watchdog",
        Cause.WATCHDOG: "LP watchdog",
    },
    "esp8266": {
        Cause.PIN: "reset pin or software",
        Cause.SOFTWARE: "reset pin or software",
        Cause.PANIC: "reset pin or software",
        Cause.WATCHDOG_TIMER: "watchdog",
        Cause.WATCHDOG: "watchdog",
        Cause.BROWNOUT: "power-on",
    },
}


@pytest.mark.parametrize(("banner", "line", "name"), REAL)
def test_lines_of_real_boards(banner: str, line: str, name: str) -> None:
    boots = BootLines()
    assert boots.read(banner) is None
    found = boots.read(line)
    assert found is not None
    assert (found.name, found.line) == (name, line)


def test_the_same_number_on_two_chips() -> None:
    boots = BootLines()
    for rom, name in (("esp32s3-20210327", "power glitch"), ("esp32p4-eco2-20240710", "USB-UART"), ("", "USB-UART")):
        boots.read(f"ESP-ROM:{rom}" if rom else "something else")
        found = boots.read("rst:0x17 (X),boot:0x8")
        assert found is not None
        assert found.name == name
    boots.read("ets Jun  8 2016 00:22:57")  # another board at the same port
    unknown = boots.read("rst:0x6 (SDIO_RESET),boot:0x8")
    assert unknown is not None
    assert unknown.name == "SDIO"


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("chip", CHIPS)
def test_every_cause_of_every_virtual_chip(chip: str, download: bool) -> None:
    facts = CHIPS[chip]
    causes = {*facts.resets, Cause.PIN, Cause.PANIC}
    for cause in causes:
        boots = BootLines()
        told = [boots.read(line) for line in rom_banner(facts, cause, download=download).splitlines()]
        found = [boot for boot in told if boot is not None]
        assert len(found) == 1
        assert found[0].name == OTHERWISE.get(chip, {}).get(cause, PLAIN[cause]), cause
        assert found[0].cause == facts.printed(cause)[0]


@pytest.mark.parametrize("chip", CHIPS)
def test_download_mode_is_told_from_a_boot(chip: str) -> None:
    running, waiting = (rom_banner(CHIPS[chip], Cause.POWER_ON, download=download) for download in (False, True))
    if chip == "esp8266":
        assert "boot mode:(3," in running
        assert "boot mode:(1," in waiting
    else:
        assert "(SPI_FAST_FLASH_BOOT)" in running
        assert "(DOWNLOAD" in waiting
        assert waiting.endswith("waiting for download\r\n")


def test_lines_that_tell_no_cause() -> None:
    for line in ("rst:0x (X)", "first:0xzz", "rst:1 (POWERON)", "boot:0x13", "rst cause:x, boot mode:(3,6)"):
        assert parse_boot(line) is None
