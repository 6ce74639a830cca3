"""The esp_secure_cert partition: its format against hand-made bytes and the vendor's tool; what a merge may touch."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.credentials import Authority, Credentials
from hil.wire import secure_cert
from hil.wire.ciphertext import looks_encrypted
from hil.wire.secure_cert import Damaged, Encrypted, Entry, Full, Legacy, Protected

SIZE = 0x2000
CA, CERT, KEY = (secure_cert.entry_of(key) for key in ("ca_cert", "device_cert", "private_key"))
DS_DATA, DS_CONTEXT, SALT, SIGNATURE, INTEGRITY = 3, 4, 5, 8, 9

#: What a chip that was provisioned in the factory holds besides certificates.
FACTORY = (
    Entry(DS_DATA, 0, bytes(range(200)) * 6),
    Entry(DS_CONTEXT, 0, b"\0\0\0\0\x01\0\0\x08"),
    Entry(SALT, 3, b"salt" * 8),
    Entry(77, 9, b"of a type that nobody knows", flags=0x05, reserved=b"\x01\x02\x03"),
)


def by_hand(type_: int, subtype: int, data: bytes, flags: int = 0) -> bytes:
    """An entry as format.md describes it, field by field."""
    out = b"\x11\xba\x5e\xba" + bytes([flags, 0, 0, 0, type_, subtype]) + struct.pack("<H", len(data)) + data
    while (len(out) - 12) % 16:
        out += b"\0"
    return out + struct.pack("<I", zlib.crc32(out, 0xFFFFFFFF))


def partition(*entries: Entry, size: int = SIZE) -> bytes:
    return secure_cert.build(size, entries)


# -- the format ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 1233])
def test_an_entry_is_what_the_format_says(length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert Entry(2, 1, data, flags=0x80).encode() == by_hand(2, 1, data, 0x80)
    (entry,) = secure_cert.parse(by_hand(2, 1, data, 0x80).ljust(SIZE, b"\xff")).entries
    assert entry == Entry(2, 1, data, flags=0x80)


def test_an_erased_partition_is_empty() -> None:
    assert secure_cert.parse(b"\xff" * SIZE).entries == ()


def test_the_crc_is_that_of_the_vendors_tool() -> None:
    """An entry of the test data of esp-secure-cert-tool 2.6: user data 2, whose CRC its listing gives as 0x2AF3C61C."""
    entry = Entry(52, 0, bytes.fromhex("deadbeefcafebabe1234567890abcdef")).encode()
    assert entry[-4:] == struct.pack("<I", 0x2AF3C61C)
    text = Entry(51, 0, b"Device Model: ESP32-S3-DevKit-C").encode()
    assert text[-4:] == struct.pack("<I", 0x2E60F6D8)


def test_names_say_type_and_subtype() -> None:
    assert secure_cert.entry_of("device_cert") == (1, 0)
    assert secure_cert.entry_of("ca_cert-2") == (0, 2)
    assert secure_cert.entry_of("user_data_5") == (55, 0)
    assert [secure_cert.name_of(*id_) for id_ in ((1, 0), (0, 2), (3, 0), (60, 1))] == [
        "device_cert",
        "ca_cert-2",
        "ds_data",
        "type 60-1",
    ]
    for wrong in ("dev_cert", "ds_data", "device_cert-254", "device_cert-", "", "user_data_6"):
        with pytest.raises(ValueError, match="no entry of esp_secure_cert is called"):
            secure_cert.entry_of(wrong)


def test_no_repr_shows_a_key() -> None:
    assert "secret" not in repr(secure_cert.parse(partition(Entry(*KEY, b"secret"))))


# -- what cannot be read ---------------------------------------------------------------------------------------------


def cust_flash(metadata: int) -> bytes:
    """The legacy format: metadata, then each item at its own offset."""
    out = bytearray(b"\xff" * 0x6000)
    out[:64] = (b"\x17" * metadata + struct.pack("<I", 0x12345678)).ljust(64, b"\0")
    out[64:74] = b"-----BEGIN"
    return bytes(out)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (cust_flash(24), Legacy, "the legacy format 'cust_flash', which is not written here; convert it with esp-sec"),
        (cust_flash(36), Legacy, "the legacy format 'cust_flash'"),
        (random.Random(1).randbytes(SIZE), Encrypted, r"looks encrypted \(flash encryption\)"),
        (random.Random(2).randbytes(700).ljust(SIZE, b"\xff"), Encrypted, "looks encrypted"),
        (bytes(SIZE), Damaged, "no entry begins at 0x0, and the flash is not erased; erase the partition"),
        (b"\xff" * 64 + by_hand(1, 0, b"x").ljust(SIZE - 64, b"\xff"), Damaged, "at 0x0, but there is one at 0x40"),
        (by_hand(1, 0, b"x") + b"\0" * (SIZE - 32), Damaged, "at 0x20, and the flash is not erased"),
        (by_hand(1, 0, b"x" * 5000)[:4096], Damaged, "entry 0 at 0x0 claims 5000 bytes, the partition ends at 0x1000"),
    ],
)
def test_what_is_no_such_partition_is_named(content: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        secure_cert.parse(content)
    assert "\n" not in str(raised.value)
    with pytest.raises(error):
        secure_cert.merge(content, {CERT: b"c"})


def test_text_and_certificates_never_look_encrypted(credentials: Credentials) -> None:
    for data in (credentials.chain_pem, b"\0" * 4096, bytes(range(60)) * 70, b"\xff" * 4096, b"short \x01\x02"):
        assert not looks_encrypted(data)


def test_a_damaged_entry_is_replaced_and_never_kept() -> None:
    content = bytearray(partition(Entry(*CA, b"ca"), Entry(*CERT, b"cert")))
    content[12] ^= 1
    damaged = bytes(content)
    assert secure_cert.parse(damaged).problems == ("entry ca_cert at 0x0: its CRC is wrong",)
    assert secure_cert.parse(damaged).get(*CA) is None
    with pytest.raises(Damaged, match=r"entry ca_cert is damaged .* erase the partition and provision it again"):
        secure_cert.merge(damaged, {CERT: b"new"})
    assert secure_cert.merge(damaged, {CA: b"ca"}) == partition(Entry(*CA, b"ca"), Entry(*CERT, b"cert"))


# -- merging ---------------------------------------------------------------------------------------------------------


def test_all_that_is_not_asked_for_stays() -> None:
    before = partition(*FACTORY[:2], Entry(*CERT, b"old"), *FACTORY[2:])
    after = secure_cert.parse(secure_cert.merge(before, {CERT: b"new" * 30, CA: b"ca"})).entries
    assert after == (*FACTORY[:2], Entry(*CERT, b"new" * 30), *FACTORY[2:], Entry(*CA, b"ca"))


def test_what_is_there_already_gives_the_same_bytes() -> None:
    before = partition(*FACTORY, Entry(*CERT, b"c"))
    assert secure_cert.merge(before, {CERT: b"c", CA: None}) == before


def test_an_entry_can_be_taken_away() -> None:
    before = partition(Entry(*CA, b"ca"), *FACTORY)
    assert secure_cert.merge(before, {CA: None}) == partition(*FACTORY)


def test_a_second_entry_of_the_same_kind_goes_with_the_first() -> None:
    """It is never read; but once the first is gone, it would be."""
    before = partition(Entry(*CERT, b"read"), Entry(*CA, b"ca"), Entry(*CERT, b"never read"))
    assert "is there a second time" in secure_cert.parse(before).problems[0]
    assert secure_cert.merge(before, {CERT: b"new"}) == partition(Entry(*CERT, b"new"), Entry(*CA, b"ca"))
    assert secure_cert.merge(before, {CERT: None}) == partition(Entry(*CA, b"ca"))


@pytest.mark.parametrize("type_", [SIGNATURE, INTEGRITY])
def test_a_hash_over_the_other_entries_is_made_again(type_: int) -> None:
    old = Entry(*CERT, b"old")
    before = partition(old, Entry(type_, 0, hashlib.sha256(old.encode()).digest()))
    assert secure_cert.parse(before).problems == ()
    new = Entry(*CERT, b"new").encode() + Entry(*CA, b"ca").encode()
    after = secure_cert.merge(before, {CERT: b"new", CA: b"ca"})
    assert after == (new + Entry(type_, 0, hashlib.sha256(new).digest()).encode()).ljust(SIZE, b"\xff")


def test_a_signed_partition_is_left_alone() -> None:
    signed = partition(Entry(*CERT, b"old"), Entry(SIGNATURE, 0, b"\x01" * 160))
    assert secure_cert.merge(signed, {CERT: b"old"}) == signed
    with pytest.raises(Protected, match=r"the partition is signed, .* sign a new one with esp-secure-cert-tool"):
        secure_cert.merge(signed, {CERT: b"new"})


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (0x80, "encrypted with a key that only the chip has"),
        (0x40, "derived from a key"),
        (0x08, "in the chip's eFuse"),
    ],
)
def test_a_key_that_only_the_chip_has_is_not_replaced(flags: int, words: str) -> None:
    before = partition(Entry(*KEY, b"opaque", flags=flags), Entry(*CERT, b"old"))
    for change in (b"key", None):
        with pytest.raises(Protected, match=f"entry private_key is {words}.* leave it out of the values"):
            secure_cert.merge(before, {KEY: change})
    assert secure_cert.parse(secure_cert.merge(before, {CERT: b"new"})).get(*KEY) == Entry(*KEY, b"opaque", flags=flags)


def test_flags_of_the_first_versions_mean_nothing() -> None:
    """Their reserved bytes were 0xFF."""
    before = partition(Entry(*KEY, b"old", flags=0xFF, reserved=b"\xff" * 3))
    after = secure_cert.parse(secure_cert.merge(before, {KEY: b"new"})).get(*KEY)
    assert after == Entry(*KEY, b"new", flags=0xFF, reserved=b"\xff" * 3)


def test_what_does_not_fit_is_refused_with_numbers() -> None:
    with pytest.raises(Full, match="the entries need 8208 bytes, the partition takes 8176 of its 8192; use a larger"):
        secure_cert.merge(b"\xff" * SIZE, {CERT: b"x" * 8192})
    assert secure_cert.merge(b"\xff" * SIZE, {CERT: b"x" * 8160})[-16:] == b"\xff" * 16
    with pytest.raises(Full, match="an entry takes 65535"):
        secure_cert.merge(b"\xff" * 0x20000, {CERT: b"x" * 70000})


ids = st.tuples(st.integers(0, 60).filter(lambda t: t not in (SIGNATURE, INTEGRITY)), st.integers(0, 3))


@given(
    st.dictionaries(ids, st.tuples(st.binary(max_size=200), st.sampled_from([0, 0x03]))),
    st.dictionaries(ids, st.none() | st.binary(max_size=200)),
)
def test_a_merge_changes_what_it_says_and_nothing_else(
    held: dict[tuple[int, int], tuple[bytes, int]], changes: dict[tuple[int, int], bytes | None]
) -> None:
    entries = [Entry(*id_, data, flags=flags) for id_, (data, flags) in held.items()]
    before = partition(*entries, size=0x10000)
    contents = secure_cert.parse(secure_cert.merge(before, changes))
    wanted = {id_: data for id_, (data, _) in held.items()} | changes
    assert {entry.id: entry.data for entry in contents.entries} == {i: d for i, d in wanted.items() if d is not None}
    assert contents.problems == ()
    kept = [entry.id for entry in contents.entries if entry.id in held]
    assert kept == [entry.id for entry in entries if entry.id in kept], "the order stays"
    assert all(e.flags == held[e.id][1] for e in contents.entries if e.id in held)


@given(st.binary(max_size=64), st.lists(st.tuples(st.integers(0, 95), st.binary(min_size=1, max_size=1)), max_size=4))
def test_reading_anything_ends_in_entries_or_one_clear_error(noise: bytes, edits: list[tuple[int, bytes]]) -> None:
    content = bytearray((by_hand(1, 0, b"c" * 20) + by_hand(2, 0, b"k") + noise).ljust(256, b"\xff"))
    for at, byte in edits:
        content[at : at + 1] = byte
    with contextlib.suppress(secure_cert.SecureCertError):
        assert secure_cert.parse(bytes(content)).used <= 256
    assert all(entry.sound for entry in secure_cert.salvage(bytes(content)))


# -- the vendor's tool -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return Authority.create().issue_device("esp32-a")


#: Runs in a process of its own, as it imports esptool; it prints a lot, and keeps files where it is.
WRITES = """
import sys
from pathlib import Path
from esp_secure_cert.tlv_format_construct import TlvPartitionBuilder
builder = TlvPartitionBuilder()
for type_, name in (1, "chain"), (0, "anchors"), (2, "key"):
    builder.add_tlv_entry(type_, 0, Path(name).read_bytes() + bytes(1), 0)
builder.add_ds_data(b"c" * 1200, b"i" * 16, 2048)
builder.add_ds_context(1, 2048)
builder.add_tlv_entry(51, 2, b"of the user", 0)
builder.add_integrity_tlv()
Path("part.bin").write_bytes(builder.partition_data)
"""
READS = """
import json
from pathlib import Path
from esp_secure_cert.tlv_format_construct import EspSecureCert
found = EspSecureCert._parse_tlv_entries_from_bin("part.bin")
listed = [[e["header"]["type"], e["header"]["subtype"], e["data"].hex()] for e in found]
Path("found.json").write_text(json.dumps(listed))
"""


def run_vendors_tool(script: str, folder: Path) -> None:
    if importlib.util.find_spec("esp_secure_cert") is None:
        pytest.skip("esp-secure-cert-tool is not installed: pip install esp-secure-cert-tool")
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True, timeout=300)


def test_the_vendors_tool_writes_the_same_bytes(credentials: Credentials, tmp_path: Path) -> None:
    (tmp_path / "chain").write_bytes(credentials.chain_pem)
    (tmp_path / "anchors").write_bytes(credentials.trust_anchors_pem)
    (tmp_path / "key").write_bytes(credentials.key_pem)
    run_vendors_tool(WRITES, tmp_path)
    theirs = (tmp_path / "part.bin").read_bytes()
    contents = secure_cert.parse(theirs)
    assert contents.problems == ()
    assert [entry.id for entry in contents.entries] == [CERT, CA, KEY, (3, 0), (4, 0), (51, 2), (9, 0)]
    assert contents.get(*CERT) == Entry(*CERT, credentials.chain_pem + b"\0")
    assert partition(*contents.entries) == theirs
    bare = secure_cert.merge(theirs, {CERT: None, CA: None, KEY: None})
    assert len(secure_cert.parse(bare).entries) == 4
    filled = secure_cert.merge(bare, {e.id: e.data for e in contents.entries[:3]})
    assert secure_cert.parse(filled).problems == (), "its hash of all other entries fits again"


def test_the_vendors_tool_reads_what_is_written(credentials: Credentials, tmp_path: Path) -> None:
    chain, anchors = credentials.chain_pem + b"\0", credentials.trust_anchors_pem + b"\0"
    after = secure_cert.merge(partition(*FACTORY[:2], Entry(51, 0, b"of the user")), {CERT: chain, CA: anchors})
    (tmp_path / "part.bin").write_bytes(after)
    run_vendors_tool(READS, tmp_path)
    assert json.loads((tmp_path / "found.json").read_text()) == [
        [DS_DATA, 0, FACTORY[0].data.hex()],
        [DS_CONTEXT, 0, FACTORY[1].data.hex()],
        [51, 0, b"of the user".hex()],
        [1, 0, chain.hex()],
        [0, 0, anchors.hex()],
    ]
