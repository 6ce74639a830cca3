"""Merging into an NVS partition changes what was asked, keeps everything else, and wears as little flash as it can."""

from __future__ import annotations

import random
import struct
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_nvs_read import SIZE, generated, set_page_state, set_state

from hil.wire import nvs
from hil.wire.nvs import PageState, Value, changed_sectors, merge, parse

PAGE = 4096


def crc(data: bytes) -> int:
    return zlib.crc32(data, 0xFFFFFFFF)


def audit(partition: bytes) -> None:
    """What the library insists on when it starts: no duplicate, no half item, one page to write, one page spare.

    Reads the bytes by itself, with nothing of the code under test.
    """
    seen: set[tuple[int, int, bytes, int]] = set()
    spare, active, sequences = 0, [], []
    for base in range(0, len(partition), PAGE):
        state, sequence, version = struct.unpack_from("<IIB", partition, base)
        if state == 0xFFFFFFFF:
            assert partition[base : base + PAGE] == b"\xff" * PAGE
            spare += 1
            continue
        assert state in (0xFFFFFFFE, 0xFFFFFFFC)
        assert struct.unpack_from("<I", partition, base + 28)[0] == crc(partition[base + 4 : base + 28])
        assert version in (0xFE, 0xFF)
        sequences.append(sequence)
        if state == 0xFFFFFFFE:
            active.append(sequence)
        states = [partition[base + 32 + i // 4] >> i % 4 * 2 & 3 for i in range(126)]
        assert set(states) <= {0b11, 0b10, 0b00}
        end = states.index(0b11) if 0b11 in states else 126
        assert set(states[end:]) <= {0b11}, "an empty entry before a used one"
        assert set(partition[base + 64 + 32 * end : base + 64 + 32 * 126]) <= {0xFF}, "debris in an empty entry"
        index = 0
        while index < end:
            if states[index] == 0b00:
                index += 1
                continue
            entry = partition[base + 64 + 32 * index : base + 96 + 32 * index]
            assert struct.unpack_from("<I", entry, 4)[0] == crc(entry[:4] + entry[8:]), "a bad entry is left"
            assert set(states[index : index + entry[2]]) == {0b10}
            identity = (entry[0], entry[1], entry[8:24], entry[3])
            assert identity not in seen, "a duplicate is left"
            seen.add(identity)
            index += entry[2]
    assert len(sequences) == len(set(sequences))
    assert len(active) <= 1
    assert not active or active[0] == max(sequences)
    assert spare >= 1


def only_clears_bits(before: bytes, after: bytes) -> bool:
    return all(b & a == a for b, a in zip(before, after, strict=True))


WIFI = {
    "nvs.net80211": {"sta.ssid": ("hex2bin", "24000000" + "41" * 32), "sta.pswd": ("hex2bin", "7365637265" * 13)},
    "counters": {"boots": ("u32", 41), "name": ("string", "green")},
}


# -- merging ---------------------------------------------------------------------------------------------------------


def test_a_merge_adds_replaces_and_erases_and_keeps_the_rest() -> None:
    before = generated({**WIFI, "hil": {"host": ("string", "old"), "port": ("u16", 1), "gone": ("u8", 1)}})
    after = merge(before, "hil", {"host": "new", "port": Value.u16(8883), "gone": None, "ca": b"\0\1"})
    audit(after)
    found, kept = parse(after), parse(before)
    assert found.namespaces["hil"] == {
        "host": Value.string("new"),
        "port": Value.u16(8883),
        "ca": Value.blob(b"\0\1"),
    }
    assert found.namespaces["counters"] == kept.namespaces["counters"]
    assert found.namespaces["nvs.net80211"] == kept.namespaces["nvs.net80211"]


def test_merging_what_is_there_gives_the_same_bytes() -> None:
    before = generated(WIFI)
    changes = {"boots": Value.u32(41), "name": "green", "absent": None}
    assert merge(before, "counters", changes) == before
    assert merge(before, "new", {"absent": None}) == before


def test_a_value_of_another_type_replaces_the_old_one() -> None:
    after = merge(generated(WIFI), "counters", {"boots": "41"})
    audit(after)
    assert parse(after).get("counters", "boots") == Value.string("41")


def test_a_small_change_touches_one_sector_and_only_clears_bits() -> None:
    before = generated(WIFI)
    after = merge(before, "counters", {"boots": Value.u32(42)})
    assert changed_sectors(before, after) == [0]
    assert only_clears_bits(before, after)


def test_replacing_a_value_of_a_full_page_touches_that_page_and_the_active_one() -> None:
    before = merge(generated(WIFI), "fill", {f"k{i}": "x" * 60 for i in range(60)})
    assert [p.state for p in parse(before).pages[:2]] == [PageState.FULL, PageState.ACTIVE]
    after = merge(before, "counters", {"boots": Value.u32(42)})
    assert changed_sectors(before, after) == [0, 1]
    assert only_clears_bits(before, after)
    audit(after)


def test_the_oldest_page_is_collected_only_when_one_page_is_left() -> None:
    partition = generated(WIFI)
    number = 0
    while len([p for p in parse(partition).pages if p.state is PageState.ERASED]) > 1:
        number += 1
        after = merge(partition, "counters", {"name": f"{number:0100}"})
        assert only_clears_bits(partition, after)
        partition = after
    for number in range(1000, 1200):
        partition = merge(partition, "counters", {"name": f"{number:0100}"})
        audit(partition)
    found = parse(partition)
    assert found.get("counters", "name") == Value.string(f"{1199:0100}")
    assert found.namespaces["nvs.net80211"] == parse(generated(WIFI)).namespaces["nvs.net80211"]


def test_a_blob_alternates_its_chunk_numbers_and_spans_pages() -> None:
    partition = generated(WIFI)
    for round_ in range(6):
        data = random.Random(round_).randbytes(5000 + 700 * round_)
        partition = merge(partition, "hil", {"blob": data})
        audit(partition)
        assert parse(partition).get("hil", "blob") == Value.blob(data)


def test_an_empty_string_and_an_empty_blob_are_values() -> None:
    partition = merge(b"\xff" * SIZE, "n", {"s": "", "b": b""})
    audit(partition)
    assert parse(partition).namespaces["n"] == {"s": Value.string(""), "b": Value.blob(b"")}


def test_format_version_1_stays_what_it_is() -> None:
    before = generated({"n": {"old": ("hex2bin", "aa" * 300)}}, version=0xFF)
    after = merge(before, "n", {"new": b"\0" * 1000, "fill": "x" * 3000})
    audit(after)
    assert {p.version for p in parse(after).pages if p.version is not None} == {0xFF}
    assert parse(after).namespaces["n"] == {
        "old": Value.blob(b"\xaa" * 300),
        "new": Value.blob(b"\0" * 1000),
        "fill": Value.string("x" * 3000),
    }
    with pytest.raises(nvs.NvsError, match="format version 1 takes 1984; erase the partition"):
        merge(before, "n", {"new": b"\0" * 1985})


def test_the_same_bytes_as_the_generator_for_a_new_partition() -> None:
    pem = "-----BEGIN CERTIFICATE-----\n" + "QUJD\n" * 300
    content = {"hil": {"ca": ("string", pem), "port": ("u16", 8883), "raw": ("hex2bin", "0badc0de" * 40)}}
    mine = nvs.build(SIZE, {"hil": {"ca": pem, "port": Value.u16(8883), "raw": bytes.fromhex("0badc0de" * 40)}})
    assert mine == generated(content)


# -- what does not go ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("namespace", "changes", "complaint"),
    [
        ("n", {"sixteen_letters_": "x"}, "key 'sixteen_letters_' has 16 characters, NVS takes at most 15"),
        ("a_namespace_16ch", {"k": "x"}, "namespace 'a_namespace_16ch' has 16 characters"),
        ("n", {"": "x"}, "key ''"),
        ("n", {"grün": "x"}, "printable ASCII"),
        ("n", {"k": "x" * 4000}, "k: a string of 4001 bytes with its NUL, NVS takes 4000; store it as a blob"),
        ("n", {"k": "a\0b"}, "first NUL"),
        ("n", {"k": Value.u8(256)}, r"k: 256 does not fit u8 \(0 to 255\)"),
        ("n", {"k": Value.i16(-32769)}, "does not fit i16"),
        ("n", {"k": 5}, r"k: int 5 needs an NVS type, such as Value.u16\(5\)"),
    ],
)
def test_what_nvs_cannot_hold_is_refused_with_its_name(namespace: str, changes: dict, complaint: str) -> None:
    with pytest.raises(nvs.NvsError, match=complaint):
        merge(b"\xff" * SIZE, namespace, changes)


def test_types_are_known_by_name() -> None:
    assert Value.of("u16", "0x10") == Value.u16(16)
    assert Value.of("blob", "text") == Value.blob(b"text")
    with pytest.raises(nvs.NvsError, match=r"no NVS type is called 'float'; known: u8, "):
        Value.of("float", 1)
    with pytest.raises(nvs.NvsError, match="'many' is not a number"):
        Value.of("u8", "many")


def test_a_string_of_4000_bytes_takes_a_page_of_its_own() -> None:
    partition = merge(generated(WIFI), "n", {"k": "x" * 3999})
    audit(partition)
    assert parse(partition).get("n", "k") == Value.string("x" * 3999)


def test_what_does_not_fit_is_refused_with_both_figures() -> None:
    before = generated(WIFI)
    with pytest.raises(nvs.NvsFull, match=r"needs 628 entries, \d+ free of 504"):
        merge(before, "n", {"k": b"\0" * 20_000})


def test_a_partition_filled_to_its_last_entry_can_still_be_changed() -> None:
    room = parse(generated(WIFI)).free
    filled = merge(generated(WIFI), "n", {f"k{i}": Value.u32(i) for i in range(room - 1)})
    audit(filled)
    assert parse(filled).free == 0
    with pytest.raises(nvs.NvsFull, match="needs 1 entries, 0 free"):
        merge(filled, "n", {"more": Value.u8(1)})
    changed = merge(filled, "n", {"k7": Value.u32(7777)})
    audit(changed)
    assert parse(changed).get("n", "k7") == Value.u32(7777)
    assert parse(changed).namespaces["counters"] == parse(filled).namespaces["counters"]


def test_values_that_only_fit_when_everything_is_laid_out_anew_do_fit() -> None:
    partition = nvs.build(0x4000, {"n": {f"s{i}": "x" * 1300 for i in range(8)}})
    partition = merge(partition, "n", {f"s{i}": None for i in (0, 3, 6)})
    after = merge(partition, "n", {"wide": "y" * 3900})
    audit(after)
    assert parse(after).get("n", "wide") == Value.string("y" * 3900)
    assert parse(after).get("n", "s7") == Value.string("x" * 1300)


def test_an_encrypted_partition_is_left_alone() -> None:
    with pytest.raises(nvs.NvsEncrypted, match="flash encryption"):
        merge(random.Random(2).randbytes(SIZE), "n", {"k": "v"})


def test_a_format_version_of_the_future_is_left_alone() -> None:
    partition = bytearray(generated(WIFI))
    partition[8] = 0xFD
    struct.pack_into("<I", partition, 28, crc(bytes(partition[4:28])))
    with pytest.raises(nvs.NvsError, match="format version 0xfd"):
        merge(bytes(partition), "n", {"k": "v"})


# -- after a power failure -------------------------------------------------------------------------------------------


def test_a_half_written_entry_is_stepped_over() -> None:
    partition = bytearray(generated(WIFI))
    free = next(i for i in range(126) if partition[32 + i // 4] >> i % 4 * 2 & 3 == 3)
    partition[64 + 32 * free + 9] = 0x41  # a byte of the key arrived, the state did not
    after = merge(bytes(partition), "hil", {"host": "h"})
    audit(after)
    assert only_clears_bits(bytes(partition), after)
    assert parse(after).get("hil", "host") == Value.string("h")


def test_an_older_duplicate_is_erased_before_it_can_be_read_again() -> None:
    partition = bytearray(merge(nvs.build(SIZE, {"n": {"a": Value.u8(1)}}), "n", {"a": Value.u8(2)}))
    set_state(partition, 0, 1, 0b10)
    for changes in ({"a": Value.u8(2)}, {"other": "x"}):
        after = merge(bytes(partition), "n", changes)
        audit(after)
        assert parse(after).get("n", "a") == Value.u8(2)


@pytest.mark.parametrize("copied", [0, 1, 5])
@pytest.mark.parametrize("freeing", [1, 2])
def test_pages_that_were_being_freed_are_finished(copied: int, freeing: int) -> None:
    values = {f"k{i}": Value.u32(i) for i in range(260)}
    partition = bytearray(nvs.build(0x6000, {"n": values}))
    for page in range(freeing):
        set_page_state(partition, page, PageState.FREEING)
    set_page_state(partition, 2, PageState.FULL)
    copy = bytearray(nvs.build(SIZE, {"n": dict(list(values.items())[:copied])})[:PAGE])
    struct.pack_into("<IIB", copy, 0, 0xFFFFFFFE, 9, 0xFE)
    struct.pack_into("<I", copy, 28, crc(bytes(copy[4:28])))
    partition[3 * PAGE : 4 * PAGE] = copy
    assert parse(bytes(partition)).namespaces["n"] == values
    after = merge(bytes(partition), "n", {"new": "x"})
    audit(after)
    assert parse(after).namespaces["n"] == {**values, "new": Value.string("x")}


def test_a_page_was_marked_as_being_freed_and_no_page_is_left() -> None:
    partition = bytearray(nvs.build(0x3000, {"n": {f"k{i}": Value.u32(i) for i in range(200)}}))
    set_page_state(partition, 0, PageState.FREEING)
    partition[2 * PAGE : 3 * PAGE] = partition[PAGE : 2 * PAGE]  # a spare page that a stray write took
    struct.pack_into("<I", partition, 2 * PAGE + 4, 2)
    struct.pack_into("<I", partition, 2 * PAGE + 28, crc(bytes(partition[2 * PAGE + 4 : 2 * PAGE + 28])))
    before = parse(bytes(partition)).namespaces
    after = merge(bytes(partition), "n", {"new": Value.u8(1)})
    audit(after)
    assert parse(after).namespaces["n"] == {**before["n"], "new": Value.u8(1)}


def test_a_lost_namespace_does_not_lend_its_values_to_a_new_one() -> None:
    partition = bytearray(nvs.build(SIZE, {"lost": {"secret": "x"}}))
    set_state(partition, 0, 0, 0b00)
    after = merge(bytes(partition), "new", {"k": Value.u8(1)})
    assert parse(after).namespaces["new"] == {"k": Value.u8(1)}


# -- any contents, any changes ---------------------------------------------------------------------------------------

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=15)
few_names = st.sampled_from(["a", "b", "ca", "exactly15chars_"])
numbers = st.sampled_from(["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"]).flatmap(
    lambda kind: st.integers(*nvs.values.limits(nvs.Type[kind.upper()])).map(lambda n: Value.of(kind, n))
)
texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=200).map(Value.string)
long_texts = st.integers(500, 3999).map(lambda n: Value.string("p" * n))
blobs = st.one_of(st.binary(max_size=100), st.integers(0, 6000).map(lambda n: (bytes(range(256)) * 24)[:n])).map(
    Value.blob
)
changes = st.dictionaries(
    st.one_of(few_names, names), st.one_of(st.none(), numbers, texts, long_texts, blobs), max_size=6
)
steps = st.lists(st.tuples(st.sampled_from(["hil", "wifi", "phy"]), changes), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(steps, st.sampled_from([0x3000, 0x5000, 0x6000]))
def test_merging_is_updating_a_dict(steps: list[tuple[str, dict[str, Value | None]]], size: int) -> None:
    partition = b"\xff" * size
    model: dict[str, dict[str, Value]] = {}
    for namespace, asked in steps:
        try:
            after = merge(partition, namespace, asked)
        except nvs.NvsFull:
            continue  # nothing may have changed: `partition` is immutable
        audit(after)
        present = {key: value for key, value in asked.items() if value is not None}
        if present or namespace in model:
            kept = {k: v for k, v in model.get(namespace, {}).items() if k not in asked}
            model[namespace] = {**kept, **present}
        found = parse(after)
        assert found.namespaces == model
        assert found.problems == ()
        assert merge(after, namespace, asked) == after
        partition = after


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.integers(0, 2**32), st.integers(1, 30))
def test_no_damage_makes_it_fail_or_leaves_a_partition_that_is_not_sound(
    steps: list[tuple[str, dict[str, Value | None]]], seed: int, flips: int
) -> None:
    partition = bytearray(b"\xff" * SIZE)
    for namespace, asked in steps:
        try:
            partition = bytearray(merge(bytes(partition), namespace, asked))
        except nvs.NvsFull:
            continue
    dice = random.Random(seed)
    for _ in range(flips):
        partition[dice.randrange(SIZE if flips > 10 else 600)] ^= 1 << dice.randrange(8)
    parse(bytes(partition))
    try:
        after = merge(bytes(partition), "hil", {"sound": "yes", "big": b"x" * 700})
    except nvs.NvsError:
        return
    found = parse(after)
    assert found.get("hil", "sound") == Value.string("yes")
    assert merge(after, "hil", {"sound": "yes", "big": b"x" * 700}) == after


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(names, st.one_of(numbers, texts), max_size=30))
def test_what_the_generator_writes_is_read_the_same(values: dict[str, Value]) -> None:
    content = {"any": {key: (str(value.type), value.data) for key, value in values.items()}}
    assert parse(generated(content)).namespaces["any"] == values
