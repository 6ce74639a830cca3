"""A large partition is read once, and from then on only where the chip's digest of it is another."""

from __future__ import annotations

from pathlib import Path

import pytest
from nor_flash import NorFlash, PowerFailure, holding

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
