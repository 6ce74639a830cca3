"""What is read of a partition, and how often: each reading starts a tool anew.

A large one is read once, and from then on only where the chip's digest of it is another; a small one that lies right
behind the table is read with it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from nor_flash import NorFlash, PowerFailure, holding

from hil.provision import ProvisionError
from hil.provision.partition import SECTOR, PartitionAccess
from hil.wire import partitions

AT, SIZE = 0x20000, 0x10000


class Chip:
    """A flash that counts what is read of the partition, and makes digests of it."""

    def __init__(self, size: int = SIZE) -> None:
        self.place = partitions.Partition("spiffs", partitions.TYPE_DATA, partitions.DATA_SPIFFS, AT, size)
        self.flash: NorFlash = holding(self.place, bytes(range(256)) * (size // 256))
        self.reads = self.digests = 0

    def read(self, offset: int, size: int) -> bytes:
        self.reads += (offset, size) == (AT, self.place.size)
        return self.flash.read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        self.flash.write(offset, data)

    def holds(self, offset: int, data: bytes) -> bool:
        self.digests += 1
        return self.flash.read(offset, len(data)) == data

    @property
    def content(self) -> bytes:
        return self.flash.read(AT, self.place.size)


def access(chip: Chip, folder: Path) -> PartitionAccess:
    return PartitionAccess(chip, "a", folder, holds=chip.holds)


def test_what_was_read_and_written_is_known(tmp_path: Path) -> None:
    chip = Chip()
    there = access(chip, tmp_path)
    for new in (b"one", b"two"):
        ground = there.read(chip.place)
        assert ground == chip.content
        there.write(chip.place, ground, [(SECTOR, new.ljust(SECTOR, b"\xff")), (3 * SECTOR, bytes(2 * SECTOR))])
    assert there.read(chip.place) == chip.content
    assert (chip.reads, chip.digests) == (1, 2)


def test_what_the_firmware_has_changed_is_read_again(tmp_path: Path) -> None:
    chip = Chip()
    there = access(chip, tmp_path)
    there.read(chip.place)
    chip.flash.data[AT + 5] ^= 1
    assert there.read(chip.place) == chip.content
    assert there.read(chip.place) == chip.content
    assert (chip.reads, chip.digests) == (2, 2)


def test_after_a_write_that_was_cut_off_nothing_is_known(tmp_path: Path) -> None:
    chip = Chip()
    there = access(chip, tmp_path)
    ground = there.read(chip.place)
    chip.flash.power_fails_in = 1000
    with pytest.raises(PowerFailure):
        there.write(chip.place, ground, [(0, bytes(SECTOR))])
    chip.flash.power_fails_in = None
    assert there.read(chip.place) == chip.content
    assert (chip.reads, chip.digests) == (2, 0)


def test_a_small_partition_is_read_each_time(tmp_path: Path) -> None:
    chip = Chip(0x5000)
    there = access(chip, tmp_path)
    assert there.read(chip.place) == there.read(chip.place) == chip.content
    assert (chip.reads, chip.digests) == (2, 0)


NVS = [(partitions.TYPE_DATA, partitions.DATA_NVS)]


class Counted:
    """A flash that remembers what is read of it."""

    def __init__(self, flash: NorFlash) -> None:
        self.flash = flash
        self.readings: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> bytes:
        self.readings.append((offset, size))
        return self.flash.read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        self.flash.write(offset, data)


def at(offset: int, size: int = 0x5000) -> Counted:
    place = partitions.Partition("nvs", partitions.TYPE_DATA, partitions.DATA_NVS, offset, size)
    return Counted(holding(place, bytes(range(256)) * (size // 256)))


@pytest.mark.parametrize(
    ("offset", "size", "readings"),
    [(0x9000, 0x5000, 1), (0x9000, 0x6000, 1), (0xA000, 0x6000, 2), (0x20000, 0x3000, 2)],
)
def test_what_lies_right_behind_the_table_is_read_with_it(
    tmp_path: Path, offset: int, size: int, readings: int
) -> None:
    flash = at(offset, size)
    there = PartitionAccess(flash, "a", tmp_path)
    place = there.find("nvs", NVS, None, "nvs", table=there.table(near=True))
    assert there.read(place) == flash.flash.read(offset, size)
    assert len(flash.readings) == readings


def test_what_was_read_with_the_table_is_good_for_once(tmp_path: Path) -> None:
    flash = at(0x9000)
    there = PartitionAccess(flash, "a", tmp_path)
    place = there.find("nvs", NVS, None, "nvs", table=there.table(near=True))
    there.read(place)
    flash.flash.data[0x9005] ^= 1
    assert there.read(place) == flash.flash.read(0x9000, 0x5000)
    assert len(flash.readings) == 2


def test_sectors_that_are_not_far_apart_are_read_back_together(tmp_path: Path) -> None:
    flash = at(0x20000, 0x20000)
    there = PartitionAccess(flash, "a", tmp_path)
    place = there.find("nvs", NVS, None, "nvs")
    ground = there.read(place)
    flash.readings.clear()
    there.write(place, ground, [(0x3000, bytes(SECTOR)), (0x1000, bytes(SECTOR)), (0x18000, bytes(SECTOR))])
    assert flash.readings == [(0x21000, 0x3000), (0x38000, 0x1000)]


@pytest.mark.parametrize("byte", [0x21000, 0x23FFF, 0x38001])
def test_a_sector_that_reads_back_otherwise_is_found_among_several(tmp_path: Path, byte: int) -> None:
    flash = at(0x20000, 0x20000)
    there = PartitionAccess(flash, "a", tmp_path)
    place = there.find("nvs", NVS, None, "nvs")
    ground, write = there.read(place), flash.flash.write

    def damaged(offset: int, data: bytes) -> None:
        write(offset, data)
        if offset <= byte < offset + len(data):
            flash.flash.data[byte] ^= 1

    flash.write = damaged  # type: ignore[method-assign]
    with pytest.raises(ProvisionError, match=f"flash at {byte:#x} reads back other"):
        there.write(place, ground, [(0x3000, bytes(SECTOR)), (0x1000, bytes(SECTOR)), (0x18000, bytes(SECTOR))])


class Comparing(Chip):
    """A flash that has looked at what it wrote: its tool compares digests."""

    def write(self, offset: int, data: bytes) -> bool:
        super().write(offset, data)
        return True


@pytest.mark.parametrize(("kind", "readings"), [(Chip, 1), (Comparing, 0)])
def test_what_was_compared_as_it_was_written_is_not_read_back(
    tmp_path: Path, kind: type[Chip], readings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = kind()
    there = access(chip, tmp_path)
    ground = there.read(chip.place)
    read: list[tuple[int, int]] = []
    monkeypatch.setattr(chip, "read", lambda *asked: (read.append(asked), chip.flash.read(*asked))[1])
    there.write(chip.place, ground, [(SECTOR, bytes(SECTOR))])
    assert len(read) == readings
    assert chip.content[SECTOR : 2 * SECTOR] == bytes(SECTOR)
