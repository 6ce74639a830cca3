"""Partition tables: the layout is Espressif's, and a bad table names its entry."""

from __future__ import annotations

import hashlib
import struct

import pytest

from hil.wire.partitions import ARDUINO_DEFAULT, TABLE_SIZE, BadTable, Partition, TableFlaw, build, parse


def test_round_trip() -> None:
    data = build(ARDUINO_DEFAULT)
    assert len(data) == TABLE_SIZE
    table = parse(data, 4 << 20)
    assert table.partitions == ARDUINO_DEFAULT
    assert table["nvs"].offset == 0x9000
    assert [slot.label for slot in table.ota_slots()] == ["app0", "app1"]
    assert "spiffs" in table
    with pytest.raises(KeyError, match="no partition 'cert' in the table; it has: nvs, otadata"):
        table["cert"]


def test_layout_as_documented() -> None:
    entry = struct.pack("<2sBBII16sI", b"\xaa\x50", 1, 2, 0x9000, 0x5000, b"nvs", 0)
    data = build([Partition("nvs", 1, 2, 0x9000, 0x5000)])
    assert data[:32] == entry
    assert data[32:64] == b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entry).digest()
    assert set(data[64:]) == {0xFF}


def test_a_table_without_md5_is_accepted() -> None:
    assert len(parse(build(ARDUINO_DEFAULT, md5=False))) == 6


def flaw(data: bytes, flash: int | None = 4 << 20) -> tuple[TableFlaw, str]:
    with pytest.raises(BadTable) as caught:
        parse(data, flash)
    return caught.value.flaw, str(caught.value)


def test_flaws_are_named() -> None:
    good = build(ARDUINO_DEFAULT)
    assert flaw(b"\xff" * TABLE_SIZE)[0] is TableFlaw.EMPTY
    kind, words = flaw(good[:64] + b"\x00" + good[65:])
    assert (kind, "entry 2" in words) == (TableFlaw.MAGIC, True)
    assert flaw(good[:40] + bytes([good[40] ^ 1]) + good[41:])[0] is TableFlaw.MD5
    assert flaw(good[: 6 * 32])[0] is TableFlaw.UNENDED
    kind, words = flaw(good, 2 << 20)
    assert kind is TableFlaw.ENTRY
    assert "'app1'" in words
    assert "exceeds the flash of 0x200000 bytes" in words


@pytest.mark.parametrize(
    ("partitions", "words"),
    [
        ([Partition("app", 0, 0x10, 0x11000, 0x1000)], "entry 0 .'app'.* multiple of 0x10000"),
        ([Partition("a", 1, 2, 0x9000, 0x2000), Partition("b", 1, 2, 0xA000, 0x1000)], "entry 1 .'b'.* overlaps 'a'"),
        ([Partition("a", 1, 2, 0x9000, 0x1000), Partition("a", 1, 2, 0xA000, 0x1000)], "label of an earlier entry"),
        ([Partition("x" * 17, 1, 2, 0x9000, 0x1000)], "entry 0: the label .* 17 bytes"),
        ([Partition("nvs", 1, 2, 0x8000, 0x1000)], "lies on the partition table itself"),
        ([Partition("nvs", 1, 2, 0x9000, 0)], "is empty"),
    ],
)
def test_impossible_tables_are_not_built(partitions: list[Partition], words: str) -> None:
    with pytest.raises(BadTable, match=words):
        build(partitions)
