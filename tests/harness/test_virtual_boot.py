"""What a virtual board says and does with what it finds in flash: the words and causes that a real chip shows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from virtual_parts import images

from hil.virtual.boot_steps import Halt, Print, Reset, Start
from hil.virtual.booting import boot
from hil.virtual.chips import CHIPS
from hil.virtual.flash import Flash
from hil.virtual.host import Cause
from hil.wire.esp_image import AppDescription, Segment, build
from hil.wire.partitions import Partition
from hil.wire.partitions import build as build_table

FACTORY = (Partition("nvs", 1, 2, 0x9000, 0x5000), Partition("factory", 0, 0, 0x10000, 0x100000))


def said(flash: Flash, chip: str = "esp32", cause: Cause = Cause.POWER_ON) -> tuple[str, object]:
    """All that one boot prints, and its outcome."""
    steps = list(boot(CHIPS[chip], flash, cause))
    return "".join(step.text for step in steps if isinstance(step, Print)), steps[-1]


@pytest.fixture
def flash(tmp_path: Path) -> Flash:
    return Flash(tmp_path / "f.flash", 4 << 20)


def put(flash: Flash, built: dict[str, tuple[int, Path]]) -> None:
    for offset, file in built.values():
        flash.program(offset, file.read_bytes())


@pytest.mark.parametrize(
    ("chip", "banner", "rst"),
    [
        ("esp32", "ets Jul 29 2019 12:21:46\r\n\r\n", "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"),
        ("esp32s3", "ESP-ROM:esp32s3-20210327\r\n", "rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n"),
        ("esp32c3", "ESP-ROM:esp32c3-api1-20210207\r\n", "rst:0x1 (POWERON),boot:0xf (SPI_FAST_FLASH_BOOT)\r\n"),
    ],
)
def test_a_good_flash_boots(chip: str, banner: str, rst: str, flash: Flash, tmp_path: Path) -> None:
    put(flash, images(tmp_path, chip, version="4.5.6"))
    text, outcome = said(flash, chip)
    assert text.startswith(banner)
    assert rst in text
    assert "boot:  2 app0             OTA app          00 10 00010000 00140000" in text
    assert "esp_image: segment 0: paddr=00010020 vaddr=3" in text
    assert "boot: Loaded app from partition at offset 0x10000" in text
    assert "app_init: App version:      4.5.6" in text
    assert isinstance(outcome, Start)
    assert (outcome.manifest.firmware, outcome.manifest.version) == ("reference", "4.5.6")
    assert outcome.table["nvs"].offset == 0x9000


@pytest.mark.parametrize(("chip", "watchdog"), [("esp32", 0x10), ("esp32s3", 0x7), ("esp32c3", 0x7)])
def test_blank_flash(chip: str, watchdog: int, flash: Flash) -> None:
    text, outcome = said(flash, chip)
    assert text.count("invalid header: 0xffffffff\r\n") == 8
    assert outcome == Reset(Cause(watchdog))


Change = Callable[[Flash], None]


def erased(offset: int, length: int = 0x1000) -> Change:
    return lambda flash: flash.erase(offset, length)


def zeroed(offset: int) -> Change:
    return lambda flash: flash.program(offset, b"\0")


@pytest.mark.parametrize(
    ("change", "words", "cause"),
    [
        (zeroed(0x1000), "invalid header: 0x", Cause.WATCHDOG),
        (zeroed(0x1100), "csum err:0x", Cause.WATCHDOG),
        (erased(0x3000), "csum err:0x", Cause.WATCHDOG),
        (erased(0x8000), "boot: No bootable app partitions in the partition table", Cause.SOFTWARE_SYSTEM),
        (zeroed(0x8000), "flash_parts: partition 0 invalid magic number 0x5000", Cause.SOFTWARE_SYSTEM),
        (zeroed(0x8005), "flash_parts: Incorrect MD5 checksum", Cause.SOFTWARE_SYSTEM),
        (erased(0x10000), "has invalid magic byte (nothing flashed here?)", Cause.SOFTWARE_SYSTEM),
        (erased(0x11000), "esp_image: Checksum failed. Calculated 0x", Cause.SOFTWARE_SYSTEM),
        (zeroed(0x10005), "esp_image: Image hash failed - image is corrupt", Cause.SOFTWARE_SYSTEM),
        (
            erased(0x12000),
            "doesn't fit in partition length 1310720",
            Cause.SOFTWARE_SYSTEM,
        ),
        (erased(0x15000, 0x2000), "boot: OTA app partition slot 0 is not bootable", Cause.SOFTWARE_SYSTEM),
    ],
)
def test_damage_is_named_as_a_chip_names_it(
    change: Change, words: str, cause: Cause, flash: Flash, tmp_path: Path
) -> None:
    put(flash, images(tmp_path))
    change(flash)
    text, outcome = said(flash)
    assert words in text
    assert outcome == Reset(cause)
    if "esp_image: " in words or "boot: OTA" in words:
        assert text.endswith("boot: No bootable app partitions in the partition table\r\n")


def test_another_chips_app_is_refused(flash: Flash, tmp_path: Path) -> None:
    put(flash, images(tmp_path / "right", "esp32"))
    wrong = images(tmp_path / "wrong", "esp32s3")["firmware"][1].read_bytes()
    flash.erase(0x10000, 0x10000)
    flash.program(0x10000, wrong)
    text, outcome = said(flash)
    assert "boot_comm: mismatch chip ID, expected 0, found 9" in text
    assert outcome == Reset(Cause.SOFTWARE_SYSTEM)


def test_a_table_larger_than_the_flash_is_refused(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "small.flash", 2 << 20)
    put(flash, images(tmp_path))
    text, _ = said(flash)
    assert "flash_parts: partition 3 invalid - " in text
    assert "boot: Failed to verify partition table" in text


def ota_record(sequence: int, state: int = 0xFFFFFFFF) -> bytes:
    head = struct.pack("<I", sequence)
    return head + b"\xff" * 20 + struct.pack("<II", state, zlib.crc32(head, 0xFFFFFFFF))


def test_otadata_checksum_is_espressifs() -> None:
    assert ota_record(1)[-4:].hex() == "9a984347"  # as in Arduino's boot_app0.bin


@pytest.mark.parametrize(
    ("records", "slot"),
    [
        ((b"", b""), 0x10000),
        ((ota_record(1), b""), 0x10000),
        ((ota_record(1), ota_record(2)), 0x150000),
        ((ota_record(3), ota_record(2)), 0x10000),
        ((ota_record(1), ota_record(2)[:-1] + b"\0"), 0x10000),
        ((ota_record(1), ota_record(2, state=4)), 0x10000),
    ],
)
def test_otadata_chooses_the_slot(records: tuple[bytes, bytes], slot: int, flash: Flash, tmp_path: Path) -> None:
    built = images(tmp_path)
    put(flash, built)
    flash.program(0x150000, built["firmware"][1].read_bytes())
    for copy, record in enumerate(records):
        flash.program(0xE000 + 0x1000 * copy, record)
    _, outcome = said(flash)
    assert isinstance(outcome, Start)
    assert outcome.app.offset == slot


def test_a_bad_chosen_slot_falls_back_to_the_other(flash: Flash, tmp_path: Path) -> None:
    put(flash, images(tmp_path))
    flash.program(0xF000, ota_record(2))
    text, outcome = said(flash)
    assert "OTA app partition slot 1 is not bootable" in text
    assert isinstance(outcome, Start)
    assert outcome.app.label == "app0"


@pytest.mark.parametrize(("chip", "code"), [("esp32", "Xtensa"), ("esp32c3", "RISC-V")])
def test_real_firmware_is_validated_and_plainly_not_executed(
    chip: str, code: str, flash: Flash, tmp_path: Path
) -> None:
    put(flash, {name: file for name, file in images(tmp_path, chip).items() if name == "bootloader"})
    about = AppDescription("real-project", "v9.9", "v5.4.1", "Feb  2 2025", "01:02:03").encode()
    segments = [Segment(CHIPS[chip].drom, about + bytes(500)), Segment(CHIPS[chip].iram, bytes(64))]
    flash.program(0x8000, build_table(FACTORY))
    flash.program(0x10000, build(chip, segments, entry=CHIPS[chip].iram))
    text, outcome = said(flash, chip)
    assert "app_init: Project name:     real-project" in text
    assert "app_init: App version:      v9.9" in text
    assert f"this virtual board cannot execute {code} code" in text
    assert outcome == Halt()
