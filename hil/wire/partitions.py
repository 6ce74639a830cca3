"""The partition table of the ESP32 family: 32-byte entries at flash offset 0x8000, closed by an MD5 and 0xFF.

    entry   magic AA 50, type, subtype, offset (4), size (4), label (16), flags (4)
    MD5     EB EB, 14 times FF, MD5 of all entries before it
    end     FF to the end of the table's 0xC00 bytes

Source: Espressif's documentation "Partition Tables". All numbers little-endian.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

TABLE_OFFSET = 0x8000
TABLE_SIZE = 0xC00
SECTOR = 0x1000
APP_ALIGNMENT = 0x10000

TYPE_APP = 0x00
TYPE_DATA = 0x01
TYPE_SECURE_CERT = 0x3F
"""A type of its own, whatever the subtype: where Espressif's esp_secure_cert component looks for its partition."""
APP_FACTORY = 0x00
APP_OTA_0 = 0x10
APP_OTA_LAST = 0x1F
DATA_OTA = 0x00
DATA_PHY = 0x01
DATA_NVS = 0x02
DATA_COREDUMP = 0x03
DATA_NVS_KEYS = 0x04
DATA_SPIFFS = 0x82
DATA_LITTLEFS = 0x83

_ENTRY = struct.Struct("<2sBBII16sI")
_MAGIC = b"\xaa\x50"
_MD5_MARK = b"\xeb\xeb" + b"\xff" * 14


class TableFlaw(Enum):
    """What can be wrong with a table."""

    EMPTY = "nothing there"
    MAGIC = "wrong magic"
    MD5 = "wrong MD5"
    UNENDED = "no end"
    ENTRY = "impossible entry"


class BadTable(ValueError):
    """Not a partition table that the bootloader would accept. The message names the entry; `index` is its number."""

    def __init__(self, flaw: TableFlaw, message: str, index: int = 0, found: int = 0) -> None:
        super().__init__(message)
        self.flaw = flaw
        self.index = index
        self.found = found


@dataclass(frozen=True, slots=True)
class Partition:
    """One entry; offset and size in bytes."""

    label: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0

    @property
    def end(self) -> int:
        """First offset behind it."""
        return self.offset + self.size

    @property
    def is_app(self) -> bool:
        """Whether it holds an app (factory or OTA slot)."""
        return self.type == TYPE_APP


class Table:
    """Partitions in the order of the table. `table["nvs"]` finds one by its label."""

    def __init__(self, partitions: Iterable[Partition]) -> None:
        self.partitions = tuple(partitions)

    def __iter__(self) -> Iterator[Partition]:
        return iter(self.partitions)

    def __len__(self) -> int:
        return len(self.partitions)

    def __contains__(self, label: object) -> bool:
        return any(partition.label == label for partition in self.partitions)

    def __getitem__(self, label: str) -> Partition:
        """Raises KeyError, with the labels that there are."""
        for partition in self.partitions:
            if partition.label == label:
                return partition
        labels = ", ".join(partition.label for partition in self.partitions) or "none"
        raise KeyError(f"no partition {label!r} in the table; it has: {labels}")

    def first(self, type_: int, subtype: int) -> Partition | None:
        """The first partition of that type and subtype, or None."""
        for partition in self.partitions:
            if (partition.type, partition.subtype) == (type_, subtype):
                return partition
        return None

    def ota_slots(self) -> list[Partition]:
        """The OTA app slots, ota_0 first."""
        slots = [p for p in self.partitions if p.is_app and APP_OTA_0 <= p.subtype <= APP_OTA_LAST]
        return sorted(slots, key=lambda partition: partition.subtype)


def parse(data: bytes, flash_size: int | None = None) -> Table:
    """The table at the start of `data` (0xC00 bytes or more of it).

    Raises BadTable, naming the entry: for an empty table, a wrong magic, an MD5 that does not fit, a missing end, a
    partition outside of `flash_size` bytes (if given), off its alignment or on top of another one. A table without MD5
    is accepted, as the bootloader can be built to.
    """
    partitions: list[Partition] = []
    for index in range(min(len(data), TABLE_SIZE) // _ENTRY.size):
        raw = data[index * _ENTRY.size : (index + 1) * _ENTRY.size]
        if raw == b"\xff" * _ENTRY.size:
            if not partitions:
                message = "no partition table: the flash is blank where the table should be"
                raise BadTable(TableFlaw.EMPTY, message, 0, 0xFFFF)
            _check(partitions, flash_size)
            return Table(partitions)
        if raw.startswith(_MD5_MARK):
            calculated = hashlib.md5(data[: index * _ENTRY.size], usedforsecurity=False).digest()
            if raw[16:] != calculated:
                message = f"the partition table's MD5 is {raw[16:].hex()}, its {index} entries give {calculated.hex()}"
                raise BadTable(TableFlaw.MD5, message, index)
            continue
        if not raw.startswith(_MAGIC):
            found = int.from_bytes(raw[:2], "little")
            message = f"entry {index} of the partition table starts with 0x{found:04x}, expected 0x50aa"
            raise BadTable(TableFlaw.MAGIC, message, index, found)
        partitions.append(_decode(raw))
    raise BadTable(TableFlaw.UNENDED, f"the partition table has no end after {len(partitions)} entries")


def build(partitions: Iterable[Partition], *, md5: bool = True) -> bytes:
    """The 0xC00 bytes of a table. Raises BadTable, naming the entry, for what `parse` would not accept."""
    entries = list(partitions)
    _check(entries, None)
    out = b"".join(_encode(index, partition) for index, partition in enumerate(entries))
    if md5:
        out += _MD5_MARK + hashlib.md5(out, usedforsecurity=False).digest()
    if len(out) > TABLE_SIZE - _ENTRY.size:
        raise BadTable(TableFlaw.UNENDED, f"{len(entries)} partitions do not fit into a table of {TABLE_SIZE} bytes")
    return out.ljust(TABLE_SIZE, b"\xff")


def _decode(raw: bytes) -> Partition:
    _, type_, subtype, offset, size, label, flags = _ENTRY.unpack(raw)
    return Partition(label.split(b"\0", 1)[0].decode("utf-8", "replace"), type_, subtype, offset, size, flags)


def _encode(index: int, partition: Partition) -> bytes:
    label = partition.label.encode()
    if not 1 <= len(label) <= 16:
        message = f"entry {index}: the label {partition.label!r} has {len(label)} bytes; it may have 1 to 16"
        raise BadTable(TableFlaw.ENTRY, message, index)
    p = partition
    return _ENTRY.pack(_MAGIC, p.type, p.subtype, p.offset, p.size, label.ljust(16, b"\0"), p.flags)


def _check(partitions: list[Partition], flash_size: int | None) -> None:
    for index, partition in enumerate(partitions):
        where = f"entry {index} ({partition.label!r}: offset 0x{partition.offset:x}, size 0x{partition.size:x})"
        alignment = APP_ALIGNMENT if partition.is_app else SECTOR
        if partition.offset % alignment:
            raise BadTable(TableFlaw.ENTRY, f"{where} must start at a multiple of 0x{alignment:x}", index)
        if partition.size == 0:
            raise BadTable(TableFlaw.ENTRY, f"{where} is empty", index)
        if flash_size is not None and partition.end > flash_size:
            raise BadTable(TableFlaw.ENTRY, f"{where} exceeds the flash of 0x{flash_size:x} bytes", index)
        if partition.offset < TABLE_OFFSET + SECTOR and partition.end > TABLE_OFFSET:
            raise BadTable(TableFlaw.ENTRY, f"{where} lies on the partition table itself", index)
        for other in partitions[:index]:
            if partition.offset < other.end and other.offset < partition.end:
                raise BadTable(TableFlaw.ENTRY, f"{where} overlaps {other.label!r}", index)
            if partition.label == other.label:
                raise BadTable(TableFlaw.ENTRY, f"{where} has the label of an earlier entry", index)


ARDUINO_DEFAULT = (
    Partition("nvs", TYPE_DATA, DATA_NVS, 0x9000, 0x5000),
    Partition("otadata", TYPE_DATA, DATA_OTA, 0xE000, 0x2000),
    Partition("app0", TYPE_APP, APP_OTA_0, 0x10000, 0x140000),
    Partition("app1", TYPE_APP, APP_OTA_0 + 1, 0x150000, 0x140000),
    Partition("spiffs", TYPE_DATA, DATA_SPIFFS, 0x290000, 0x160000),
    Partition("coredump", TYPE_DATA, DATA_COREDUMP, 0x3F0000, 0x10000),
)
"""Arduino's default for 4 MB of flash."""
