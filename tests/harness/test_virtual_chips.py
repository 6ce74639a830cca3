"""Facts of the virtual chips, held against the tables that espefuse itself reads, and against each other."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

from hil.virtual.chips import CHIPS, mac_of
from hil.virtual.host import Cause
from hil.virtual.registers import Registers
from hil.wire.esp_image import CHIP_IDS

LATER = [chip for chip in CHIPS if chip not in ("esp32", "esp8266")]
IN_TABLE = {"UART_DOWNLOAD_DIS": "DIS_DOWNLOAD_MODE"}


def espefuse_table(chip: str) -> dict[str, dict[str, int]]:
    """What espefuse knows of a chip's eFuses: a data file of its package, which is not imported."""
    found = importlib.util.find_spec("espefuse")
    assert found is not None
    assert found.origin is not None
    text = (Path(found.origin).parent / "efuse_defs" / f"{chip}.yaml").read_text()
    table: dict[str, dict[str, int]] = yaml.safe_load(text)["EFUSES"]
    return table


@pytest.mark.parametrize("chip", LATER)
def test_efuses_lie_where_espefuse_looks_for_them(chip: str) -> None:
    facts, table = CHIPS[chip], espefuse_table(chip)
    assert set(facts.efuses) == {
        "UART_DOWNLOAD_DIS",
        "SPI_BOOT_CRYPT_CNT",
        "SECURE_BOOT_EN",
        "ENABLE_SECURITY_DOWNLOAD",
    }
    (base,) = {place.register - 4 * table[IN_TABLE.get(n, n)]["word"] for n, place in facts.efuses.items()}
    assert base & 0xFFF in (0x02C, 0x82C)  # block 0 begins with its write protection
    for name, place in facts.efuses.items():
        known = table[IN_TABLE.get(name, name)]
        assert (known["blk"], known["pos"], known["len"]) == (0, place.shift, place.width), name


def test_no_two_chips_are_taken_for_each_other() -> None:
    ids = {chip: CHIPS[chip].chip_id for chip in CHIPS if chip != "esp8266"}
    assert ids == CHIP_IDS
    assert len(set(ids.values())) == len(ids)
    magic = {facts.magic for facts in CHIPS.values() if facts.magic is not None}
    assert len(magic) == 3
    # A chip is told by its id or by its magic word: the S2 gives no id to a host that asks.
    for facts in CHIPS.values():
        told = facts.security_info is not None and len(facts.security_info) == 20
        assert told != (facts.magic is not None), facts.name


@pytest.mark.parametrize("chip", CHIPS)
def test_a_mac_address_keeps_its_bytes_and_its_words_cannot_be_stored_to(chip: str) -> None:
    facts = CHIPS[chip]
    one, two = (facts.fixed_words(mac) for mac in (bytes(range(1, 7)), bytes(range(0x81, 0x87))))
    assert sum(one[a] != two[a] for a in one) in (2, 3)
    registers = Registers(facts, mac_of("x"), 4 << 20)
    for address in one:
        before = registers.read(address)
        registers.write(address, before ^ 0xFFFFFFFF)
        assert registers.read(address) == before


@pytest.mark.parametrize("chip", [chip for chip in CHIPS if CHIPS[chip].watchdog])
def test_the_watchdog_bites_only_with_its_key(chip: str) -> None:
    watchdog = CHIPS[chip].watchdog
    assert watchdog is not None
    registers = Registers(CHIPS[chip], mac_of("x"), 4 << 20)
    registers.write(watchdog.config0, 1 << 31 | 5 << 28)
    assert not registers.watchdog_bites
    registers.write(watchdog.protect, 0x50D83AA1)
    registers.write(watchdog.config0, 1 << 31 | 5 << 28)
    assert registers.watchdog_bites
    registers.write(watchdog.config0, 0)
    assert not registers.watchdog_bites


@pytest.mark.parametrize("chip", CHIPS)
def test_what_a_firmware_learns_and_what_the_rom_prints(chip: str) -> None:
    facts = CHIPS[chip]
    for cause in Cause:
        assert facts.shown(cause) not in (Cause.PANIC, Cause.PIN)
    assert facts.printed(Cause.PANIC) == facts.printed(Cause.SOFTWARE)
    assert facts.printed(Cause.POWER_ON)[0] == 1
