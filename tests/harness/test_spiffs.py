"""SPIFFS partitions are merged into as firmware's library could have written them, and nothing else in them changes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from nor_flash import NorFlash, PowerFailure, holding
from spiffs_library import Full, Library

from hil.provision import ProvisionError
from hil.provision.partition import PartitionAccess
from hil.provision.spiffs import Spiffs
from hil.virtual.firmware import spiffs as firmware
from hil.wire import partitions, spiffs

SIZE = 12 * 4096


@pytest.mark.parametrize("size", [0, 1, 250, 251, 252, 103 * 251, 103 * 251 + 1, 227 * 251, 227 * 251 + 1])
def test_the_library_reads_what_is_built(size: int) -> None:
    content = random.Random(size).randbytes(size)
    library = Library(spiffs.build(0x20000, {"/file": content}))
    assert library.faults() == []
    assert library.read("/file") == content


@pytest.mark.parametrize("seed", range(6))
def test_merges_among_a_firmwares_own_writes(seed: int) -> None:
    dice = random.Random(seed)
    library = Library(b"\xff" * SIZE, mount=False)
    library.format()
    for _ in range(12):
        try:
            library.write(dice.choice(["/a", "/b"]), dice.randbytes(dice.choice([0, 10, 251, 3000])))
        except Full:
            break
        before = {name: library.read(name) for name in library.names()}
        ids = library.names()
        change: dict[str, bytes | None] = {"/ca": dice.randbytes(dice.choice([0, 700, 1500])), "/key": b"k" * 227}
        if dice.random() < 0.3:
            change["/key"] = None
        merged = spiffs.merge(bytes(library.flash), change)
        assert spiffs.merge(merged, change) == merged
        library = Library(merged)
        assert library.faults() == []
        wanted = {**before, **change}
        assert {n: library.read(n) for n in library.names()} == {n: c for n, c in wanted.items() if c is not None}
        assert {n: i for n, i in library.names().items() if n in ("/a", "/b")} == {
            n: i for n, i in ids.items() if n in ("/a", "/b")
        }
        assert library.free_blocks() >= 2


def test_the_virtual_firmwares_reader_agrees() -> None:
    dice, image, seen = random.Random(4), spiffs.build(SIZE, {}), 0
    for _ in range(40):
        change = {dice.choice(["/a", "/b", "/certs/ca.pem"]): dice.choice([None, dice.randbytes(dice.randrange(9000))])}
        image = spiffs.merge(image, change)
        for name, content in spiffs.parse(image).files.items():
            assert firmware.read_file(image, name) == content
            seen += 1
    assert firmware.read_file(image, "/none") is None
    assert seen > 30


def test_what_a_key_was_is_gone() -> None:
    old = spiffs.build(SIZE, {"/key": b"secret" * 30, "/other": b"x"})
    assert b"secret" not in spiffs.merge(old, {"/key": b"new"})


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\0" * SIZE, "found neither SPIFFS nor erased flash"),
        (spiffs.build(SIZE, {}, spiffs.Geometry(page_size=512)), "pages of 512 bytes, expected 256"),
        (spiffs.build(SIZE * 2, {})[:SIZE], "a SPIFFS of 98304 bytes in a partition of 49152"),
        (spiffs.build(SIZE, {"/a": b"x"}, spiffs.Geometry(name_length=64)), "68 bytes of name and metadata"),
        (b"\xff" * 8 + b"littlefs" + b"\0" * (SIZE - 16), 'say method = "littlefs"'),
    ],
)
def test_what_is_not_this_spiffs_is_named(data: bytes, complaint: str) -> None:
    with pytest.raises(spiffs.NotSpiffs, match=complaint):
        spiffs.merge(data, {"/a": b"1"})
    assert spiffs.parse(spiffs.merge(data, {"/a": b"1"}, format=True)).files == {"/a": b"1"}


def test_too_much_is_refused() -> None:
    with pytest.raises(spiffs.SpiffsFull, match="needs 33 pages of 251 bytes, 30 free of 60"):
        spiffs.build(4 * 4096, {"/a": b"x" * 8000})


# -- provisioning ----------------------------------------------------------------------------------------------------

AT = 0x20000


def board(content: bytes) -> NorFlash:
    return holding(partitions.Partition("spiffs", partitions.TYPE_DATA, partitions.DATA_SPIFFS, AT, SIZE), content)


def test_a_power_failure_at_any_point_is_recovered_by_the_next_run(tmp_path: Path) -> None:
    other = random.Random(1).randbytes(2000)
    start = spiffs.build(SIZE, {"/other": other, "/key": b"old" * 100})
    dice = random.Random(2)
    for point in [0, 1, 2, 300, 4097, 4098, *(dice.randrange(4097 * 2) for _ in range(40))]:
        flash = board(start)
        method = Spiffs(PartitionAccess(flash, "a", tmp_path))
        flash.power_fails_in = point
        with pytest.raises(PowerFailure):
            method.apply({"/key": ("string", "k" * 4000), "/ca": ("blob", "c" * 1500)})
        flash.power_fails_in = None
        method.apply({"/key": ("string", "k" * 4000), "/ca": ("blob", "c" * 1500)})
        library = Library(flash.read(AT, SIZE))
        assert library.faults() == []
        held = {name: library.read(name) for name in library.names()}
        assert held == {"/other": other, "/key": b"k" * 4000, "/ca": b"c" * 1500}
        assert list(tmp_path.iterdir()) == []


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    flash = board(b"\xff" * SIZE)
    method = Spiffs(PartitionAccess(flash, "a", tmp_path))
    assert method.apply({"/key": ("string", "k")}).sectors == SIZE // 4096
    assert method.apply({"/key": ("string", "k")}).sectors == 0
    assert method.apply({"/key": ("string", "n")}).sectors == 1


def test_a_refused_partition_is_not_written(tmp_path: Path) -> None:
    flash = board(b"\0" * SIZE)
    with pytest.raises(ProvisionError, match="partition 'spiffs': found neither SPIFFS"):
        Spiffs(PartitionAccess(flash, "a", tmp_path)).apply({"/key": ("string", "k")})
    assert flash.writes == []


def test_what_the_firmware_wrote_after_the_failure_is_newer(tmp_path: Path) -> None:
    start = spiffs.build(SIZE, {"/log": b"old", "/other": b"o" * 2000, "/key": b"old" * 100})
    flash = board(start)
    method = Spiffs(PartitionAccess(flash, "a", tmp_path))
    flash.power_fails_in = 900
    with pytest.raises(PowerFailure):
        method.apply({"/key": ("string", "k" * 4000)})
    flash.power_fails_in = None
    library = Library(flash.read(AT, SIZE))
    library.write("/log", b"new")
    flash.data[AT : AT + SIZE] = library.flash
    assert method.apply({"/key": ("string", "k" * 4000)}).recovered
    assert spiffs.parse(flash.read(AT, SIZE)).files == {"/log": b"new", "/other": b"o" * 2000, "/key": b"k" * 4000}


def test_a_damaged_file_is_left_to_itself() -> None:
    data = bytearray(spiffs.build(SIZE, {"/broken": b"x" * 600, "/whole": b"y"}))
    data[256 + 2] = 9  # the span of its first page
    merged = spiffs.merge(bytes(data), {"/ca": b"c"})
    assert spiffs.parse(merged).files == {"/whole": b"y", "/ca": b"c"}
    assert "is not that" in spiffs.parse(merged).problems[0]
    assert merged[256:1024] == data[256:1024]
