"""Reading the partition: entries one behind the other from its start, up to where there is no magic number any more.

The component looks no further than that, and checks the CRC of the entry that it was asked for only. What lies behind
the last entry must be erased flash here: anything else means that a header in between is damaged.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from hil.wire.ciphertext import looks_encrypted
from hil.wire.secure_cert.entry import (
    ALIGNMENT,
    FOOTER,
    HEADER,
    MAGIC,
    Damaged,
    Entry,
    Legacy,
    SecureCertError,
    crc,
    size_of,
)
from hil.wire.secure_cert.names import INTEGRITY, SIGNATURE

_CUST_FLASH_MAGIC = struct.pack("<I", 0x12345678)
_CUST_FLASH_METADATA = 64  # bytes at the start that hold lengths, CRCs and, last, the magic
_HASH_SIZE = 32


class Encrypted(SecureCertError):
    """Flash encryption: without the chip's key nothing can be read or merged."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a partition holds. `used`: bytes of all entries. `problems`: what is not sound, one line each."""

    entries: tuple[Entry, ...]
    used: int
    problems: tuple[str, ...] = ()

    def get(self, type_: int, subtype: int = 0) -> Entry | None:
        """The entry that the component finds: the first of that type and subtype, if its CRC fits."""
        found = next((entry for entry in self.entries if entry.id == (type_, subtype)), None)
        return found if found is not None and found.sound else None


def parse(partition: bytes) -> Contents:
    """The entries of a partition. Raises Damaged, Legacy or Encrypted; an entry with a wrong CRC is a problem only."""
    entries: list[Entry] = []
    problems: list[str] = []
    seen: set[tuple[int, int]] = set()
    position = 0
    while (entry := _entry_at(partition, position, len(entries))) is not None:
        where = f"entry {entry.name} at 0x{position:x}"
        if not entry.sound:
            problems.append(f"{where}: its CRC is wrong")
        if entry.id in seen:
            problems.append(f"{where} is there a second time; only the first is ever read")
        if entry.type == INTEGRITY and not is_hash(entry, partition[:position]):
            problems.append(f"{where}: the SHA-256 is not that of the entries before it")
        seen.add(entry.id)
        entries.append(entry)
        position += size_of(len(entry.data))
    _check_rest(partition, position, entries)
    return Contents(tuple(entries), position, tuple(problems))


def salvage(partition: bytes) -> tuple[Entry, ...]:
    """The sound entries at the start of a partition whose writing was cut off; none if there are none."""
    entries: list[Entry] = []
    position = 0
    try:
        while (entry := _entry_at(partition, position, len(entries))) is not None and entry.sound:
            entries.append(entry)
            position += size_of(len(entry.data))
    except Damaged:
        pass
    return tuple(entries)


def is_hash(entry: Entry, before: bytes) -> bool:
    """Whether an entry holds the SHA-256 of all `before` it (its type was 8 at first, and is 9 today)."""
    return entry.type in (INTEGRITY, SIGNATURE) and entry.data == hashlib.sha256(before).digest()


def is_signature(entry: Entry) -> bool:
    """Whether an entry is a signature over others."""
    return entry.type == SIGNATURE and len(entry.data) != _HASH_SIZE


def _entry_at(partition: bytes, position: int, number: int) -> Entry | None:
    if position + HEADER.size > len(partition):
        return None
    magic, flags, reserved, type_, subtype, length = HEADER.unpack_from(partition, position)
    if magic != MAGIC:
        return None
    start, end = position + HEADER.size, position + size_of(length)
    if end > len(partition):
        raise Damaged(
            f"entry {number} at 0x{position:x} claims {length} bytes, the partition ends at 0x{len(partition):x}; "
            "erase the partition and provision it again"
        )
    (stored,) = FOOTER.unpack_from(partition, end - FOOTER.size)
    sound = stored == crc(partition[position : end - FOOTER.size])
    return Entry(type_, subtype, bytes(partition[start : start + length]), flags, reserved, sound)


def _check_rest(partition: bytes, position: int, entries: list[Entry]) -> None:
    rest = partition[position:]
    if rest.count(0xFF) == len(rest):
        return
    if not entries:
        if _CUST_FLASH_MAGIC in partition[:_CUST_FLASH_METADATA]:
            raise Legacy(
                "holds the legacy format 'cust_flash', which is not written here; convert it with "
                "esp-secure-cert-tool, or erase the partition and build firmware for the TLV format"
            )
        if looks_encrypted(partition):
            raise Encrypted(
                "looks encrypted (flash encryption): its entries can only be changed by the firmware itself, or "
                "provision a chip without flash encryption"
            )
    further = _magic_behind(partition, position)
    what = f"but there is one at 0x{further:x}" if further is not None else "and the flash is not erased"
    raise Damaged(f"no entry begins at 0x{position:x}, {what}; erase the partition and provision it again")


def _magic_behind(partition: bytes, position: int) -> int | None:
    """Where an entry lies that no chain of entries leads to. Entries are multiples of 16 bytes."""
    for start in range(position + ALIGNMENT, len(partition) - HEADER.size, ALIGNMENT):
        if int.from_bytes(partition[start : start + 4], "little") == MAGIC:
            return start
    return None
