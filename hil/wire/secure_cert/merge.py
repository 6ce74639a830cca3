"""Changing entries and keeping all others, in their order and with their flags.

A changed entry stays where it is in the chain; a new one goes to its end, but before hashes over all that precedes
them, which are calculated again. A signature cannot be: a signed partition is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from hil.wire.secure_cert.entry import ALIGNMENT, Damaged, Entry, Full, Protected
from hil.wire.secure_cert.names import INTEGRITY
from hil.wire.secure_cert.reader import is_hash, is_signature, parse

Id = tuple[int, int]

_REACH = 0x10000
"""The component counts offsets in 16 bits."""


def build(size: int, entries: Iterable[Entry]) -> bytes:
    """A partition of `size` bytes with these entries. Raises Full.

    16 bytes are left free at the end: the component looks for the next magic number behind the last entry, whether or
    not the partition goes on there.
    """
    room = min(size, _REACH) - ALIGNMENT
    out = b"".join(entry.encode() for entry in entries)
    if len(out) > room:
        raise Full(
            f"the entries need {len(out)} bytes, the partition takes {room} of its {size}; use a larger partition, EC "
            "keys, or fewer certificates"
        )
    return out.ljust(size, b"\xff")


def merge(partition: bytes, changes: Mapping[Id, bytes | None]) -> bytes:
    """`partition` with the data of these entries (type, subtype) set; None takes one away.

    Equal bytes come back if all is so already. Raises Full, Protected (a signed partition, a private key that only the
    chip has), Damaged (for an entry that would have to be kept), and what `parse` raises.
    """
    old = parse(partition).entries
    hashes = _hashes(old)
    entries = _changed(old, changes, hashes)
    if entries == list(old):
        return partition
    if any(is_signature(entry) for entry in old):
        raise Protected(
            "the partition is signed, and a change would break the signature; sign a new one with "
            "esp-secure-cert-tool, or erase the partition if the firmware does not ask for a signature"
        )
    entries = _hashed(entries, hashes)
    for entry in entries:
        if not entry.sound:
            raise Damaged(
                f"entry {entry.name} is damaged (its CRC is wrong) and cannot be kept; erase the partition and "
                "provision it again"
            )
    return build(len(partition), entries)


def _changed(old: Sequence[Entry], changes: Mapping[Id, bytes | None], hashes: Collection[Id]) -> list[Entry]:
    entries: list[Entry] = []
    done: set[Id] = set()
    for entry in old:
        if entry.id not in changes:
            entries.append(entry)
        elif entry.id not in done:  # a second one of the same type and subtype is never read, and goes
            entries += _set(entry, changes[entry.id])
            done.add(entry.id)
    new = [Entry(*id_, data) for id_, data in changes.items() if data is not None and id_ not in done]
    end = next((i for i, entry in enumerate(entries) if entry.id in hashes), len(entries))
    return entries[:end] + new + entries[end:]


def _set(entry: Entry, data: bytes | None) -> list[Entry]:
    if entry.sound and entry.held_by_chip is not None:
        raise Protected(
            f"entry {entry.name} is {entry.held_by_chip}, and is not replaced; leave it out of the values, or erase "
            "the partition first"
        )
    if data is None:
        return []
    # What a wrong CRC says of where the key is held cannot be trusted, and would have the component look there.
    return [replace(entry, data=data) if entry.sound else Entry(*entry.id, data)]


def _hashes(entries: Iterable[Entry]) -> set[Id]:
    """The entries that hold a hash of all before them."""
    found: set[Id] = set()
    before = b""
    for entry in entries:
        if entry.type == INTEGRITY or is_hash(entry, before):
            found.add(entry.id)
        before += entry.encode()
    return found


def _hashed(entries: Iterable[Entry], hashes: Collection[Id]) -> list[Entry]:
    """The entries with every hash fitting what now precedes it."""
    out: list[Entry] = []
    before = b""
    for entry in entries:
        kept = replace(entry, data=hashlib.sha256(before).digest(), sound=True) if entry.id in hashes else entry
        out.append(kept)
        before += kept.encode()
    return out
