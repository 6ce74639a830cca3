"""NVS partitions are read as the NVS library would read them, whatever state a power failure left them in."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Mapping

import pytest
from esp_idf_nvs_partition_gen import nvs_partition_gen as generator

from hil.wire import nvs
from hil.wire.nvs import PageState, Value

SIZE = 0x5000  # Arduino's default nvs partition


def generated(content: Mapping[str, Mapping[str, tuple[str, object]]], size: int = SIZE, version: int = 0xFE) -> bytes:
    """A partition by Espressif's generator: namespace -> key -> (encoding, value). Leaves one page of `size` spare."""
    out = io.BytesIO()
    with generator.nvs_open(out, size - 4096, version) as writer:
        for namespace, values in content.items():
            writer.write_namespace(namespace)
            for key, (encoding, value) in values.items():
                writer.write_entry(key, value, encoding)
    return out.getvalue()


def entry_at(page: int, index: int) -> int:
    return page * 4096 + 64 + 32 * index


def set_state(partition: bytearray, page: int, index: int, state: int) -> None:
    at = page * 4096 + 32 + index // 4
    partition[at] = partition[at] & ~(3 << index % 4 * 2) | state << index % 4 * 2


def set_page_state(partition: bytearray, page: int, state: PageState) -> None:
    struct.pack_into("<I", partition, page * 4096, state)


INTEGERS = {
    "a_u8": ("u8", 255),
    "a_i8": ("i8", -128),
    "a_u16": ("u16", 65535),
    "a_i16": ("i16", -2),
    "a_u32": ("u32", 1 << 31),
    "a_i32": ("i32", -(1 << 31)),
    "a_u64": ("u64", (1 << 64) - 1),
    "a_i64": ("i64", -1),
}


def test_every_integer_type_reads_back() -> None:
    found = nvs.parse(generated({"counts": INTEGERS}))
    assert found.namespaces["counts"] == {key: Value.of(kind, number) for key, (kind, number) in INTEGERS.items()}
    assert found.problems == ()
    assert found.encrypted is None


def test_strings_and_namespaces_read_back() -> None:
    text = "-----BEGIN CERTIFICATE-----\n" + "QUJD" * 700
    found = nvs.parse(generated({"one": {"k": ("string", "first")}, "two": {"k": ("string", text)}}))
    assert found.get("one", "k") == Value.string("first")
    assert found.get("two", "k") == Value.string(text)
    assert found.get("two", "absent") is None


def test_a_blob_over_several_pages_reads_back() -> None:
    data = random.Random(1).randbytes(9000)
    found = nvs.parse(generated({"big": {"blob": ("hex2bin", data.hex()), "n": ("u8", 1)}}))
    assert found.namespaces["big"] == {"blob": Value.blob(data), "n": Value.u8(1)}


def test_a_blob_of_format_version_1_reads_back() -> None:
    found = nvs.parse(generated({"old": {"blob": ("hex2bin", "00ff" * 500)}}, version=0xFF))
    assert found.get("old", "blob") == Value.blob(b"\x00\xff" * 500)


def test_pages_and_room_are_told() -> None:
    found = nvs.parse(generated({"n": {"k": ("u8", 1)}}))
    assert [page.state for page in found.pages] == [PageState.ACTIVE] + [PageState.ERASED] * 4
    assert (found.pages[0].used, found.pages[0].free, found.pages[0].sequence) == (2, 124, 0)
    assert (found.used, found.free) == (2, 4 * 126 - 2)


def test_a_string_that_is_no_utf8_survives_the_round_trip() -> None:
    partition = nvs.build(SIZE, {"n": {"k": Value.string(b"\xff\xfe!".decode("utf-8", "surrogateescape"))}})
    found = nvs.parse(partition).get("n", "k")
    assert found is not None
    assert found.encoded() == b"\xff\xfe!\0"


def test_an_erased_partition_holds_nothing_and_is_no_problem() -> None:
    found = nvs.parse(b"\xff" * SIZE)
    assert (found.namespaces, found.problems, found.used) == ({}, (), 0)


@pytest.mark.parametrize("size", [0, 4096, 4097, 3 * 4096 - 1])
def test_a_size_that_no_partition_has_is_refused(size: int) -> None:
    with pytest.raises(nvs.NvsError, match=f"this one has {size} bytes"):
        nvs.parse(b"\xff" * size)


def test_an_entry_with_a_bad_crc_is_skipped_and_reported() -> None:
    partition = bytearray(generated({"n": {"a": ("u8", 1), "b": ("u8", 2), "c": ("u8", 3)}}))
    partition[entry_at(0, 2) + 24] ^= 1
    found = nvs.parse(bytes(partition))
    assert found.namespaces["n"] == {"a": Value.u8(1), "c": Value.u8(3)}
    assert found.problems == ("page 0, entry 2: its CRC is wrong",)


def test_a_string_with_damaged_data_is_skipped_and_reported() -> None:
    partition = bytearray(generated({"n": {"s": ("string", "x" * 100), "b": ("u8", 2)}}))
    partition[entry_at(0, 3)] ^= 0xFF
    found = nvs.parse(bytes(partition))
    assert found.namespaces["n"] == {"b": Value.u8(2)}
    assert "the data of 's' is damaged" in found.problems[0]


def test_a_page_with_a_damaged_header_is_free_space() -> None:
    partition = bytearray(generated({"n": {"blob": ("hex2bin", "ab" * 5000), "k": ("u8", 1)}}))
    partition[4096 + 5] ^= 1
    found = nvs.parse(bytes(partition))
    assert found.pages[1].state is PageState.CORRUPT
    assert found.get("n", "k") is None
    assert any("page 1: its header is damaged" in problem for problem in found.problems)


def test_a_used_looking_page_without_a_header_is_damaged_not_blank() -> None:
    partition = bytearray(b"\xff" * SIZE)
    partition[4096 + 2000] = 0
    assert nvs.parse(bytes(partition)).pages[1].state is PageState.CORRUPT


def test_an_item_erased_only_in_part_does_not_count() -> None:
    partition = bytearray(generated({"n": {"s": ("string", "x" * 100), "b": ("u8", 2)}}))
    set_state(partition, 0, 4, 0b00)  # the library erases from the end of the span
    assert nvs.parse(bytes(partition)).namespaces["n"] == {"b": Value.u8(2)}


def test_an_item_written_but_not_yet_marked_does_not_count() -> None:
    partition = bytearray(nvs.build(SIZE, {"n": {"a": Value.u8(1), "b": Value.u8(2)}}))
    set_state(partition, 0, 2, 0b11)
    assert nvs.parse(bytes(partition)).namespaces["n"] == {"a": Value.u8(1)}


def test_of_two_items_for_a_key_the_newer_counts() -> None:
    partition = bytearray(nvs.merge(nvs.build(SIZE, {"n": {"a": Value.u8(1)}}), "n", {"a": Value.u8(2)}))
    set_state(partition, 0, 1, 0b10)
    found = nvs.parse(bytes(partition))
    assert found.get("n", "a") == Value.u8(2)
    assert found.problems == ("'a' is there 2 times: power failed before the older was erased",)


def test_a_page_being_freed_is_read_until_its_items_have_arrived() -> None:
    partition = bytearray(nvs.build(SIZE, {"n": {"a": Value.u8(1), "b": "text"}}))
    set_page_state(partition, 0, PageState.FREEING)
    partition[4096 : 2 * 4096] = nvs.build(SIZE, {"n": {"a": Value.u8(1)}})[:4096]  # the copy stopped half-way
    struct.pack_into("<I", partition, 4096 + 4, 1)
    struct.pack_into("<I", partition, 4096 + 28, zlib.crc32(bytes(partition[4096 + 4 : 4096 + 28]), 0xFFFFFFFF))
    found = nvs.parse(bytes(partition))
    assert found.namespaces == {"n": {"a": Value.u8(1), "b": Value.string("text")}}
    assert found.problems == ("page 0: power failed while its items were moved to another page",)


def test_a_blob_without_all_its_chunks_is_reported_and_not_returned() -> None:
    partition = bytearray(nvs.build(SIZE, {"n": {"blob": b"z" * 6000, "k": Value.u8(1)}}))
    second = nvs.parse(bytes(partition)).pages[1]
    assert second.used > 10
    set_state(partition, 1, 0, 0b00)
    found = nvs.parse(bytes(partition))
    assert found.namespaces["n"] == {"k": Value.u8(1)}
    assert any("blob 'blob' lacks some of its chunks" in problem for problem in found.problems)


def test_values_whose_namespace_is_lost_are_reported() -> None:
    partition = bytearray(nvs.build(SIZE, {"n": {"k": Value.u8(1)}}))
    set_state(partition, 0, 0, 0b00)
    assert "namespace number 1, whose name is lost" in nvs.parse(bytes(partition)).problems[0]


def test_a_partition_without_a_spare_page_is_reported() -> None:
    out = io.BytesIO()
    with generator.nvs_open(out, 0x3000, 0xFE, read_only=True) as writer:
        writer.write_namespace("n")
        writer.write_entry("blob", "ab" * 9000, "hex2bin")
    assert any("no page is spare" in problem for problem in nvs.parse(out.getvalue()).problems)


def test_nvs_encryption_is_named() -> None:
    out = io.BytesIO()
    key = os.urandom(32).hex() + os.urandom(32).hex()
    with generator.nvs_open(out, 0x4000, 0xFE, is_encrypt=True, key=key) as writer:
        writer.write_namespace("n")
        writer.write_entry("k", "secret", "string")
    assert nvs.parse(out.getvalue()).encrypted == "NVS encryption"


def test_flash_encryption_is_named() -> None:
    assert nvs.parse(random.Random(2).randbytes(SIZE)).encrypted == "flash encryption"


def test_damage_alone_is_not_taken_for_encryption() -> None:
    partition = bytearray(nvs.build(SIZE, {"n": {"k": "value"}}))
    partition[0:4] = b"\0\0\0\0"
    assert nvs.parse(bytes(partition)).encrypted is None


def test_the_repr_of_a_value_shows_no_text() -> None:
    found = nvs.parse(nvs.build(SIZE, {"wifi": {"pass": "open sesame", "raw": b"hush", "n": Value.u8(7)}}))
    shown = repr(found)
    assert "sesame" not in shown
    assert "hush" not in shown
    assert "u8(7)" in shown
