"""`--firmware`: images that somebody gives in place of what the contract builds or names."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import rig as rigs
from hil.firmware import Firmware
from hil.firmware_given import with_firmware
from hil.flash import Image
from hil.toml import FileError
from hil.wire import partitions
from hil.wire.partitions import Partition

ROOT = Path(__file__).parents[2]
NAMES = ("bootloader.bin", "partition-table.bin", "firmware.bin")


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder as ESP-IDF leaves it, with a brace in its name."""
    folder = tmp_path / "build {1}"
    for name, below in zip(NAMES, ("bootloader", "partition_table", "."), strict=True):
        (folder / below).mkdir(parents=True, exist_ok=True)
        (folder / below / name).write_bytes(name.encode())
    return folder


def found(given: list[str], board: str, folder: Path, rig: str = "virtual.toml") -> list[Image]:
    chosen = with_firmware(rigs.load(ROOT / "rigs" / rig), given).boards[board]
    return Firmware(chosen, folder / "images").build()


def test_a_folder_of_images_is_flashed_where_the_contract_says_and_nothing_is_built(
    build: Path, tmp_path: Path
) -> None:
    files = [build / "bootloader" / NAMES[0], build / "partition_table" / NAMES[1], build / NAMES[2]]
    for board, first in (("esp32-a", 0x1000), ("esp32c3-a", 0)):
        images = found([str(build)], board, tmp_path)
        assert images == [Image(*one) for one in zip((first, 0x8000, 0x10000), files, strict=True)]
    assert not (tmp_path / "images" / "build.log").exists()


def test_what_names_a_board_counts_before_what_is_for_all(build: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.bin"
    table = partitions.build([Partition("nvs", 1, 2, 0x9000, 0x4000)])
    whole.write_bytes(b"\xff" * 0x8000 + table.ljust(0x8000, b"\xff") + b"app")
    given = [f"esp32-a={whole}", str(build)]
    assert found(given, "esp32-a", tmp_path) == [Image(0, whole)]
    assert len(found(given, "esp32c3-a", tmp_path)) == 3


def test_one_file_is_enough_for_a_contract_with_one_image(build: Path, tmp_path: Path) -> None:
    rig = rigs.load(ROOT / "rigs" / "virtual-uno.toml")
    board = next(iter(rig.boards.values()))
    (before,) = board.contract.firmware.images
    (image,) = with_firmware(rig, [str(build / NAMES[2])]).boards[board.name].contract.firmware.images
    assert image.offset == before.offset


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("esp32-x={build}", "found 'esp32-x={build}', expected PATH or BOARD=PATH; boards: esp32-a, esp32c3-a"),
        ("esp32-a={build}/nothing", "board esp32-a: found nothing at {build}/nothing, expected a file or a folder"),
        ("esp32-a={build}/firmware.bin", "has no partition table at 0x8000, expected an image of the whole flash"),
        ("esp32-a={build}/bootloader", "found none in {build}/bootloader, expected one file partition-table.bin"),
    ],
)
def test_what_cannot_be_flashed_is_told(build: Path, given: str, told: str) -> None:
    with pytest.raises(FileError) as error:
        with_firmware(rigs.load(ROOT / "rigs" / "virtual.toml"), [given.replace("{build}", str(build))])
    assert told.replace("{build}", str(build)) in str(error.value)


def test_settings_that_are_built_in_leave_no_choice(build: Path) -> None:
    rig = rigs.load(ROOT / "rigs" / "virtual-chips.toml")
    (board,) = (b for b in rig.boards.values() if b.contract.settings_in_firmware)
    with pytest.raises(FileError, match="builds the settings into its firmware"):
        with_firmware(rig, [f"{board.name}={build}"])
