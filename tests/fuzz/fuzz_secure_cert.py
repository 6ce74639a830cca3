"""esp_secure_cert partitions as they are read back from a board, and what setting entries in them does.

An input is a byte for the partition's size, then entries: six bytes (type, subtype, flags, marks, size of the data in
two), and the data. A mark leaves the CRC wrong, makes the data the hash of all before it, lets the length lie, or has
what follows taken as it is.

What must hold: nothing but SecureCertError is raised, in one printable line; entries that were merged are found, all
others stay in their order, and merging once more changes nothing; what is salvaged is what was sound.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from fuzz_reason import check_reason

from hil.wire.secure_cert import Entry, SecureCertError, entry_of, merge, parse, salvage
from hil.wire.secure_cert.names import INTEGRITY, SIGNATURE

_TYPES: Final = (0, 1, 2, 3, 4, 5, SIGNATURE, INTEGRITY, 51, 55, 60, 201)
_SIZES: Final = (0x1000, 0x2000, 64, 0)
_CHANGES: Final = {
    entry_of("device_cert"): b"-----BEGIN CERTIFICATE-----\0",
    entry_of("ca_cert-1"): bytes(300),
    entry_of("user_data_1"): None,
}
_BAD, _HASH, _LYING, _RAW = 1, 2, 4, 8


def run(data: bytes) -> None:
    """One input. Raises where it is wrong."""
    partition = written(data)
    salvaged = salvage(partition)
    assert all(entry.sound for entry in salvaged)
    try:
        before = parse(partition)
    except SecureCertError as error:
        check_reason(error)
        return
    for problem in before.problems:
        check_reason(problem)
    assert before.entries[: len(salvaged)] == salvaged, "what was salvaged is not what is there"
    assert before.used <= len(partition)
    try:
        after = merge(partition, _CHANGES)
    except SecureCertError as error:
        check_reason(error)
        return
    check_merged(partition, after)


def check_merged(partition: bytes, after: bytes) -> None:
    """That a merge did what it was asked, and nothing else."""
    before, found = parse(partition), parse(after)
    assert len(after) == len(partition)
    for id_, content in _CHANGES.items():
        entry = found.get(*id_)
        assert (None if entry is None else entry.data) == content, f"{id_} was merged and is another"
    assert merge(after, _CHANGES) == after, "merging once more changes something"
    hashes = (INTEGRITY, SIGNATURE)
    kept = [e for e in before.entries if e.id not in _CHANGES and e.type not in hashes]
    assert [e for e in found.entries if e.id not in _CHANGES and e.type not in hashes] == kept


def written(data: bytes) -> bytes:
    """The partition that an input describes."""
    size = _SIZES[data[0] % len(_SIZES)] if data else 0
    out, at = bytearray(), 1
    while at + 6 <= len(data):
        kind, subtype, flags, marks, length = struct.unpack_from("<BBBBH", data, at)
        length %= 2048
        at += 6
        body = data[at : at + min(length, 64)]
        at += len(body)
        if marks & _RAW:
            out += body
            continue
        contents = hashlib.sha256(out).digest() if marks & _HASH else body.ljust(length, b"\x5a")
        type_ = kind if kind >= 0xC0 else _TYPES[kind % len(_TYPES)]
        entry = Entry(type_, subtype % 4 if subtype < 250 else subtype, contents, flags if flags & 1 else 0)
        raw = bytearray(entry.encode())
        if marks & _LYING:
            struct.pack_into("<H", raw, 10, length ^ 0x8010)
        if marks & _BAD:
            raw[-1] ^= 1
        out += raw
    return bytes(out[:size]).ljust(size, b"\xff")


def seeds() -> list[bytes]:
    """Chains of entries: whole, signed, with a hash, damaged, legacy, and with more behind their end."""
    certificate = bytes((1, 0, 0, 0, 28, 0)) + b"-----BEGIN CERTIFICATE-----\0"
    other = bytes((4, 0, 0, 0, 8, 0)) + b"ds4711.."
    key = bytes((2, 0, 0x81, 0, 4, 0)) + b"key."
    hashed = bytes((7, 0, 0, _HASH, 0, 0))
    return [
        b"\0",
        b"\1" + certificate + other,
        b"\1" + other + certificate + hashed,
        b"\1" + certificate + key + bytes((6, 0, 0, 0, 64, 0)) + bytes(64),
        b"\1" + certificate + bytes((0, 0, 0, _BAD, 3, 0)) + b"ca.",
        b"\1" + certificate + certificate + bytes((8, 0, 0, 0, 2, 0)) + b"u1",
        b"\1" + certificate + bytes((0, 0, 0, _RAW, 4, 0)) + b"rest",
        b"\0" + bytes((0, 0, 0, _RAW, 4, 0)) + struct.pack("<I", 0x12345678),
        b"\0" + bytes((0, 0, 0, 0, 0xFF, 0x07)) + bytes((1, 0, 0, 0, 0xFF, 0x07)),
        b"\2" + certificate,
    ]


WORDS: Final = (bytes((7, 0, 0, _HASH, 0, 0)), bytes((0, 0, 0, _RAW, 4, 0)), struct.pack("<I", 0xBA5EBA11))
