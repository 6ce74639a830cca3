"""The firmware's own NVS code, against the vendor's generator, against power cuts, and against the harness's code."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from firmware_chip import nvs_image

from hil.virtual.firmware.nvs import PAGE, NvsError, Store

LONG_TEXT = "".join(random.Random(1).choices("abcdefghijklmnop\n", k=3900))
BIG_BLOB = random.Random(2).randbytes(9000)


class Flash:
    """NOR flash that counts its operations, and loses its power before one of them if told so."""

    def __init__(self, content: bytes, survive: int | None = None) -> None:
        self.content = bytearray(content)
        self.operations = 0
        self.erased = 0
        self._survive = survive

    def store(self) -> Store:
        return Store(bytes(self.content), self.write, self.erase)

    def _on(self) -> bool:
        self.operations += 1
        return self._survive is None or self.operations <= self._survive

    def write(self, offset: int, data: bytes) -> None:
        if self._on():
            for i, byte in enumerate(data):
                self.content[offset + i] &= byte

    def erase(self, offset: int, length: int) -> None:
        self.erased += 1
        if self._on():
            self.content[offset : offset + length] = b"\xff" * length


def generated(values: dict[str, Any]) -> Flash:
    return Flash(nvs_image(values))


def test_reads_what_the_generator_writes() -> None:
    store = generated({"text": "hello", "empty": "", "long": LONG_TEXT, "number": 4711, "blob": b"\0\1\2"}).store()
    assert store.get("hil", "text") == "hello"
    assert store.get("hil", "empty") == ""
    assert store.get("hil", "long") == LONG_TEXT
    assert store.get("hil", "number") == 4711
    assert store.get("hil", "blob") == b"\0\1\2"
    assert store.get("hil", "absent") is None
    assert store.get("other", "text") is None
    assert store.warnings == []


def test_reads_a_blob_of_several_chunks_over_several_pages() -> None:
    store = generated({"before": LONG_TEXT, "blob": BIG_BLOB, "after": "still here"}).store()
    assert store.get("hil", "blob") == BIG_BLOB
    assert store.get("hil", "after") == "still here"


@pytest.mark.parametrize(
    ("encoding", "value"),
    [
        ("u8", 255), ("i8", -128), ("u16", 65535), ("i16", -32768), ("u32", 2**32 - 1), ("i32", -(2**31)),
        ("u64", 2**64 - 1), ("i64", -(2**63)),
    ],
)  # fmt: skip
def test_reads_every_integer(encoding: str, value: int) -> None:
    import io

    from esp_idf_nvs_partition_gen import nvs_partition_gen as generator

    out = io.BytesIO()
    with generator.nvs_open(out, 0x3000, version=generator.Page.VERSION2) as nvs:
        generator.write_entry(nvs, "hil", "namespace", "", "")
        generator.write_entry(nvs, "value", "data", encoding, str(value))
    assert Flash(out.getvalue()).store().get("hil", "value") == value


def test_binary_values_survive_as_the_generator_encodes_them() -> None:
    pem = base64.encodebytes(BIG_BLOB[:2000])
    assert generated({"pem": pem}).store().get("hil", "pem") == pem


def test_a_counter_counts_and_leaves_the_rest_alone() -> None:
    flash = generated({"long": LONG_TEXT, "blob": BIG_BLOB, "number": 5})
    for expected in range(1, 1200):
        store = flash.store()
        assert store.get("device", "boots") == (expected - 1 or None)
        store.set_u32("device", "boots", expected)
        assert store.get("device", "boots") == expected
    store = flash.store()
    assert (store.get("hil", "long"), store.get("hil", "blob"), store.get("hil", "number")) == (LONG_TEXT, BIG_BLOB, 5)
    assert store.warnings == []


def test_a_blank_partition_is_taken_into_use() -> None:
    flash = Flash(b"\xff" * 0x3000)
    flash.store().set_u32("device", "boots", 1)
    assert flash.store().get("device", "boots") == 1


def test_a_full_partition_is_an_error_that_says_so() -> None:
    flash = Flash(b"\xff" * 0x3000)

    def fill() -> None:
        for number in range(400):
            flash.store().set_u32("device", f"key{number}", number)

    with pytest.raises(NvsError, match="nvs is full"):
        fill()
    assert flash.store().get("device", "key0") == 0


def test_a_partition_too_small_is_an_error() -> None:
    with pytest.raises(NvsError, match="expected at least 3 pages"):
        Store(b"\xff" * PAGE, lambda o, d: None, lambda o, n: None)


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_power_cut_at_any_operation_loses_neither_the_counter_nor_the_settings(moves: int) -> None:
    """In the first boot (0), and in those in which a page is emptied into another for the first and second time."""
    flash = generated({"text": LONG_TEXT[:500], "blob": BIG_BLOB[:5000]})
    boots = 1
    before = bytes(flash.content)
    while flash.erased < moves:
        before = bytes(flash.content)
        flash.store().set_u32("device", "boots", boots)
        boots += flash.erased < moves
    whole = Flash(before)
    whole.store().set_u32("device", "boots", boots)
    for survive in range(whole.operations):
        cut = Flash(before, survive)
        cut.store().set_u32("device", "boots", boots)
        again = Flash(bytes(cut.content))
        store = again.store()
        assert store.get("device", "boots") in (boots - 1 or None, boots), f"cut after {survive} operations"
        assert store.get("hil", "text") == LONG_TEXT[:500]
        assert store.get("hil", "blob") == BIG_BLOB[:5000]
        # What was begun is finished: of two counters one is left, and a page that was being emptied becomes empty.
        living = [e for e in Flash(bytes(again.content)).store()._entries() if e.key == "boots"]
        assert len(living) <= 1
        assert all(again.content[at : at + 4] != b"\xf8\xff\xff\xff" for at in range(0, len(again.content), PAGE))
        store.set_u32("device", "boots", boots + 1)
        assert again.store().get("device", "boots") == boots + 1


def test_damaged_data_is_left_out_with_a_warning_and_the_rest_is_read() -> None:
    flash = generated({"text": "damaged one", "other": "whole"})
    flash.content[flash.content.index(b"damaged one")] &= 0x0F
    store = flash.store()
    assert store.get("hil", "text") is None
    assert store.get("hil", "other") == "whole"
    assert any("text" in warning for warning in store.warnings)


def test_a_damaged_page_header_costs_that_page_alone() -> None:
    flash = generated({"long": LONG_TEXT, "second": LONG_TEXT[:100], "blob": BIG_BLOB})
    flash.content[4] ^= 1
    store = flash.store()
    assert any("page 0: header damaged" in warning for warning in store.warnings)
    store.set_u32("device", "boots", 1)
    assert flash.store().get("device", "boots") == 1


def test_the_harness_reads_what_the_firmware_writes() -> None:
    nvs = pytest.importorskip("hil.wire.nvs")
    flash = generated({"text": "hello", "blob": BIG_BLOB})
    for number in range(1, 300):
        flash.store().set_u32("device", "boots", number)
    found = nvs.parse(bytes(flash.content))
    assert found.namespaces["device"]["boots"].data == 299
    assert found.namespaces["hil"]["text"].data == "hello"


def test_texts_and_blobs_that_the_firmware_writes_are_read_by_the_harness() -> None:
    nvs = pytest.importorskip("hil.wire.nvs")
    flash = generated({"number": 5, "text": "before"})
    dice = random.Random(3)
    for turn in range(40):
        texts = {f"t{n}": LONG_TEXT[: dice.choice((0, 1, 31, 32, 500))] for n in range(3)}
        blobs = {f"b{n}": dice.randbytes(dice.choice((0, 5, 1500, 4500))) for n in range(2)}
        for key, text in texts.items():
            flash.store().set_string("hil", key, text)
        for key, blob in blobs.items():
            flash.store().set_blob("hil", key, blob)
        found = {key: value.data for key, value in nvs.parse(bytes(flash.content)).namespaces["hil"].items()}
        assert found == {"number": 5, "text": "before", **texts, **blobs}, turn
        assert flash.store().keys("hil") == found


def test_a_power_cut_while_a_blob_is_written_leaves_the_old_or_the_new_one() -> None:
    flash = Flash(b"\xff" * 0x5000)
    flash.store().set_blob("hil", "b", BIG_BLOB[:3000])
    before = bytes(flash.content)
    whole = Flash(before)
    whole.store().set_blob("hil", "b", BIG_BLOB[3000:7000])
    for survive in range(whole.operations):
        cut = Flash(before, survive)
        cut.store().set_blob("hil", "b", BIG_BLOB[3000:7000])
        again = Flash(bytes(cut.content))
        store = again.store()
        assert store.get("hil", "b") in (BIG_BLOB[:3000], BIG_BLOB[3000:7000]), survive
        store.set_blob("hil", "b", b"third" * 200)
        assert again.store().get("hil", "b") == b"third" * 200
        assert len([e for e in again.store()._entries() if e.key == "b"]) <= 3


def test_what_does_not_fit_leaves_what_was_there() -> None:
    flash = generated({"blob": BIG_BLOB[:3000]})
    with pytest.raises(NvsError, match="full"):
        flash.store().set_blob("hil", "blob", bytes(30000))
    assert flash.store().get("hil", "blob") == BIG_BLOB[:3000]
    with pytest.raises(NvsError, match="expected at most 3999"):
        flash.store().set_string("hil", "text", "x" * 4000)
