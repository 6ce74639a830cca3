"""Flash encryption and secure boot: asked of the chip, and named before anything is written."""

from __future__ import annotations

import hashlib
import shutil
import struct
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from nor_flash import NorFlash

from hil import virtual_board
from hil.console import Console
from hil.flash import FlashError, Image
from hil.flash.esptool import Esptool
from hil.flash.security import NotTold, Security, of_efuses, of_words
from hil.places import NvsPlace
from hil.power.control_port import VirtualSwitch
from hil.provision import ProvisionError
from hil.provision.making import Tools, make
from hil.provision.nvs import Nvs
from hil.provision.partition import PartitionAccess
from hil.timeline import Timeline, where
from hil.wire import esp_image, partitions


def block0(crypt_count: int = 0, done: int = 0) -> bytes:
    """An ESP32's eFuse block 0 with noise in all other bits."""
    noise = 0xFFFFFFFF & ~(0x7F << 20)
    return struct.pack("<7I", noise | crypt_count << 20, *[0xFFFFFFFF] * 5, 0xFFFFFFCF | done << 4)


TOLD = """Security Information:
=====================
Flags: {flags:#010x} (0b0)
Key Purposes: (0, 0, 0, 0, 0, 0, 12)
Chip ID: 9
API Version: 0
Secure Boot: {boot}
Flash Encryption: whatever
SPI Boot Crypt Count (SPI_BOOT_CRYPT_CNT): {count:#x}
"""


@pytest.mark.parametrize(
    ("count", "done", "found"),
    [
        (0, 0, Security()),
        (1, 0, Security("FLASH_CRYPT_CNT=0x1")),
        (3, 0, Security()),
        (7, 1, Security("FLASH_CRYPT_CNT=0x7", "ABS_DONE_0")),
        (0x7F, 2, Security("FLASH_CRYPT_CNT=0x7f", "ABS_DONE_1")),
        (0, 3, Security(None, "ABS_DONE_0 and ABS_DONE_1")),
    ],
)
def test_efuses_of_an_esp32(count: int, done: int, found: Security) -> None:
    assert of_efuses(block0(count, done)) == found


def test_words_about_later_chips() -> None:
    assert of_words(TOLD.format(flags=0, boot="Disabled", count=0)) == Security()
    assert of_words(TOLD.format(flags=5, boot="Enabled", count=7)) == Security(
        "SPI_BOOT_CRYPT_CNT=0x7", "SECURE_BOOT_EN", restricted=True
    )
    assert of_words(TOLD.format(flags=0, boot="Disabled", count=3)) == Security()
    for nothing in ("", "A fatal error occurred"):
        with pytest.raises(NotTold):
            of_words(nothing)
    with pytest.raises(NotTold):
        of_efuses(bytes(27))


# -- images ----------------------------------------------------------------------------------------------------------


def app() -> bytes:
    about = esp_image.AppDescription("app", "1").encode()
    return esp_image.build("esp32", [esp_image.Segment(0x3F400020, about)], entry=0x40080000)


def bootloader() -> bytes:
    return esp_image.build("esp32", [esp_image.Segment(0x3FFF0018, bytes(64))], entry=0x40080000)


def signed_app() -> bytes:
    padded = app() + b"\xff" * (-len(app()) % 4096)
    return padded + b"\xe7\x02" + hashlib.sha256(padded).digest() + bytes(4062)


TABLE = partitions.build(partitions.ARDUINO_DEFAULT)
NOISE = hashlib.shake_256(b"encrypted").digest(4096)
ENCRYPTED, SIGNED = Security("FLASH_CRYPT_CNT=0x1"), Security(None, "ABS_DONE_1")


@pytest.mark.parametrize(
    ("security", "content", "complaint"),
    [
        (Security(), app(), None),
        (ENCRYPTED, app(), "flash encryption is on (FLASH_CRYPT_CNT=0x1): x.bin is not encrypted"),
        (ENCRYPTED, TABLE, "flash encryption is on (FLASH_CRYPT_CNT=0x1): x.bin is not encrypted"),
        (ENCRYPTED, NOISE, None),
        (SIGNED, app(), "secure boot is on (ABS_DONE_1): x.bin has no signature"),
        (SIGNED, signed_app(), None),
        (SIGNED, TABLE, None),
        (SIGNED, bootloader(), None),
    ],
)
def test_images_that_the_chip_could_not_start(
    security: Security, content: bytes, complaint: str | None, tmp_path: Path
) -> None:
    image = Image(0x10000, tmp_path / "x.bin")
    image.path.write_bytes(content)
    found = security.hinders_flashing([image])
    assert found == complaint or (found is not None and complaint is not None and found.startswith(complaint + ", "))


def flasher_of(folder: Path, timeline: Timeline, efuses: bytes) -> Esptool:
    shutil.copy(Path(__file__).parent / "fake_esptool.py", folder / "fake_esptool.py")
    (folder / "plan.json").write_text('[{"say": "Wrote 4096 bytes"}, {"say": "Wrote 4096 bytes"}]')
    (folder / "efuses.bin").write_bytes(efuses)
    return Esptool(timeline, "a", "/dev/ttyX", "esp32", command=[sys.executable, str(folder / "fake_esptool.py")])


def test_flashing_is_refused_before_the_tool_writes(tmp_path: Path) -> None:
    timeline = Timeline()
    flasher = flasher_of(tmp_path, timeline, block0(1))
    (tmp_path / "app.bin").write_bytes(app())
    with pytest.raises(FlashError, match=r"^board a: flash encryption is on .*; nothing was written$"):
        flasher.flash([Image(0x10000, tmp_path / "app.bin")])
    assert not (tmp_path / "calls.jsonl").exists()
    told, failed = timeline.events(lambda e: e.kind in ("security", "failed"))
    assert (told["encryption"], told["secure_boot"]) == ("FLASH_CRYPT_CNT=0x1", None)
    assert failed["reason"].startswith("flash encryption is on")


def test_the_chip_is_asked_once(tmp_path: Path) -> None:
    timeline = Timeline()
    flasher = flasher_of(tmp_path, timeline, block0())
    (tmp_path / "app.bin").write_bytes(app())
    flasher.flash([Image(0x10000, tmp_path / "app.bin")])
    (tmp_path / "efuses.bin").write_bytes(block0(1))
    flasher.flash([Image(0x10000, tmp_path / "app.bin")])
    assert timeline.last(where("flash", "security")) is None


# -- provisioning ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("security", "complaint"),
    [
        (
            ENCRYPTED,
            r"board a: flash encryption is on \(FLASH_CRYPT_CNT=0x1\): what is written from outside would be n",
        ),
        (Security(restricted=True), "board a: its ROM is in secure download mode: flash cannot be read"),
    ],
)
def test_provisioning_is_refused_before_flash_is_touched(security: Security, complaint: str, tmp_path: Path) -> None:
    flash = NorFlash()
    access = PartitionAccess(flash, "a", tmp_path, hindrance=lambda: security.hinders_provisioning)
    with pytest.raises(ProvisionError, match=complaint) as raised:
        Nvs(access, namespace="hil").apply({"a": ("u8", "1")})
    assert "\n" not in str(raised.value)
    assert flash.writes == []


def test_secure_boot_does_not_keep_settings_out(tmp_path: Path) -> None:
    flash = NorFlash()
    access = PartitionAccess(flash, "a", tmp_path, hindrance=lambda: SIGNED.hinders_provisioning)
    assert Nvs(access, namespace="hil").apply({"a": ("u8", "1")}).sectors == 1


# -- the real esptool and a virtual chip -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chip", "efuses", "found"),
    [
        ("esp32", (), Security()),
        ("esp32", ("FLASH_CRYPT_CNT=7", "ABS_DONE_1"), Security("FLASH_CRYPT_CNT=0x7", "ABS_DONE_1")),
        ("esp32s3", (), Security()),
        ("esp32s3", ("SECURE_BOOT_EN", "ENABLE_SECURITY_DOWNLOAD"), Security(None, "SECURE_BOOT_EN", restricted=True)),
        ("esp32c3", ("SPI_BOOT_CRYPT_CNT=1",), Security("SPI_BOOT_CRYPT_CNT=0x1")),
    ],
)
def test_a_virtual_chip_tells_the_real_esptool(
    chip: str, efuses: tuple[str, ...], found: Security, tmp_path: Path
) -> None:
    board = virtual_board.start("v", kind="esp32", chip=chip, speed=20.0, folder=tmp_path, efuses=efuses)
    try:
        timeline = Timeline()
        VirtualSwitch(board.control, board.token, board="v").on()
        with Console(timeline, "v", board.serial) as console:
            flasher = Esptool(timeline, "v", board.serial, chip, console=console, artifacts=tmp_path)
            assert flasher.security() == found
            if found.encryption is not None:
                tools = Tools(
                    "v", timeline, cast(Any, None), flasher, console, tmp_path / "journal"
                )  # nothing is built
                place = NvsPlace(method="nvs", namespace="hil", values={"a": {"u8": 1}})  # type: ignore[dict-item]
                provisioner = make([place], tools)
                assert provisioner is not None
                with pytest.raises(ProvisionError, match=r"flash encryption is on \(\w+_CRYPT_CNT=0x"):
                    provisioner.provision({"a": ("u8", "1")})
    finally:
        board.close()


def test_an_esp32_is_asked_though_the_rig_does_not_name_it(tmp_path: Path) -> None:
    board = virtual_board.start("v", kind="esp32", chip="esp32", speed=20.0, folder=tmp_path, efuses=["ABS_DONE_0"])
    try:
        timeline = Timeline()
        VirtualSwitch(board.control, board.token, board="v").on()
        with Console(timeline, "v", board.serial) as console:
            flasher = Esptool(timeline, "v", board.serial, "auto", console=console, artifacts=tmp_path)
            assert flasher.security() == Security(None, "ABS_DONE_0")
    finally:
        board.close()


@pytest.mark.parametrize(
    ("efuse", "complaint"),
    [
        ("FLASH_CRYPT_CNT=128", "has 7 bits, 0x80 does not fit"),
        ("SECURE_BOOT_EN", "esp32 has no eFuse 'SECURE_BOOT_EN' here; known: UART_DOWNLOAD_DIS, FLASH_CRYPT_CNT"),
        ("=1", "'=1' is no eFuse; expected a name, or a name and a number"),
    ],
)
def test_an_efuse_that_there_is_not(efuse: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(virtual_board.VirtualBoardError, match=complaint):
        virtual_board.start("v", kind="esp32", chip="esp32", speed=20.0, folder=tmp_path, efuses=[efuse])


def test_an_esp8266_has_nothing_to_be_asked_for() -> None:
    nobody = Esptool(Timeline(), "a", "/dev/null", "esp8266", command=("false",))
    assert nobody.security() == Security()
    assert "an ESP8266 has no partition table" in str(nobody.hindrance())
