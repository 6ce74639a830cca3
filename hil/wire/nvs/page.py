"""One page of NVS: 4096 bytes of NOR flash, where a write can only clear bits until the whole page is erased.

    offset  size  what
    0       32    header: state u32, sequence u32, version u8, 19 bytes 0xff, CRC-32 of bytes 4 to 27
    32      32    entry states, two bits each, entry 0 in the lowest bits of the first byte
    64      32    entry 0
    ...           ... up to entry 125

States count down by clearing bits, so each can be written over the one before it without an erase:

    page    erased 0xffffffff -> active ...fe -> full ...fc -> freeing ...f8 -> corrupt ...f0
    entry   empty 0b11 -> written 0b10 -> erased 0b00   (0b01 is never written; it shows damage)

An entry: namespace u8, type u8, span u8 (entries taken, itself included), chunk u8 (0xff: none), CRC-32 of the
entry without this field, key 16 bytes with its NUL, then 8 bytes of data:

    integer           the number, little-endian, padded with 0xff
    string, blob data size u16, 0xffff, CRC-32 of the bytes in the span-1 entries that follow
    blob index        size u32, chunks u8, first chunk's number u8 (0x00 or 0x80, alternating), 0xffff

Each CRC is CRC-32 (polynomial 0xedb88320) started from 0xffffffff as the ROM's crc32_le counts it.
Source: ESP-IDF documentation, 'Non-Volatile Storage Library', Internals (pages, entries, structure of entry).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from hil.wire.nvs.values import SIZED, Type

PAGE_SIZE = 4096
ENTRY_SIZE = 32
ENTRIES = 126
VERSION_1 = 0xFF
VERSION_2 = 0xFE
NO_CHUNK = 0xFF

_STATES_AT = 32
_ENTRIES_AT = 64
_HEADER = struct.Struct("<IIB19sI")
_BLANK = b"\xff" * PAGE_SIZE


class PageState(IntEnum):
    """What a page is used for. CORRUPT also stands for a page whose header is damaged."""

    ERASED = 0xFFFFFFFF
    ACTIVE = 0xFFFFFFFE
    FULL = 0xFFFFFFFC
    FREEING = 0xFFFFFFF8
    CORRUPT = 0xFFFFFFF0

    def __str__(self) -> str:
        return self.name.lower()


class EntryState(IntEnum):
    """The two bits that say whether an entry counts."""

    EMPTY = 0b11
    WRITTEN = 0b10
    ERASED = 0b00
    ILLEGAL = 0b01


_BY_BITS = tuple(EntryState(bits) for bits in range(4))  # calling the enumeration would take most of a scan's time

READABLE = frozenset({PageState.ACTIVE, PageState.FULL, PageState.FREEING})


def crc32(data: bytes) -> int:
    """The CRC-32 that NVS uses everywhere."""
    return zlib.crc32(data, 0xFFFFFFFF) & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it lies on a page: its first entry and its data entries, `raw`, from entry `index` on."""

    page: int
    index: int
    raw: bytes

    @property
    def namespace(self) -> int:
        return self.raw[0]

    @property
    def type(self) -> int:
        return self.raw[1]

    @property
    def span(self) -> int:
        return len(self.raw) // ENTRY_SIZE

    @property
    def chunk(self) -> int:
        return self.raw[3]

    @property
    def key(self) -> str:
        return self.raw[8:24].split(b"\0", 1)[0].decode("latin-1")

    @property
    def field(self) -> bytes:
        """The eight bytes of data in the first entry."""
        return self.raw[24:32]

    @property
    def data(self) -> bytes:
        """The bytes of a string or of a chunk."""
        (size,) = struct.unpack_from("<H", self.field)
        return self.raw[ENTRY_SIZE : ENTRY_SIZE + size]

    def __repr__(self) -> str:
        return (
            f"Item(page {self.page}, entry {self.index}, namespace {self.namespace}, {self.key!r}, 0x{self.type:02x})"
        )


@dataclass(frozen=True, slots=True)
class Damage:
    """Entries that are marked as written and hold no valid item."""

    page: int
    index: int
    count: int
    what: str


def compose(namespace: int, kind: Type, key: str, field: bytes, data: bytes = b"", chunk: int = NO_CHUNK) -> bytes:
    """The raw entries of an item. `field` is for types without data; strings and chunks give `data`."""
    if kind in SIZED:
        field = struct.pack("<HHI", len(data), 0xFFFF, crc32(data))
    span = 1 + -(-len(data) // ENTRY_SIZE)
    head = bytes([namespace, kind, span, chunk])
    tail = key.encode("ascii").ljust(16, b"\0") + field.ljust(8, b"\xff")
    first = head + struct.pack("<I", crc32(head + tail)) + tail
    return (first + data).ljust(span * ENTRY_SIZE, b"\xff")


class Page:
    """A page in memory that obeys the flash: `erase` sets every bit, everything else only clears some."""

    def __init__(self, number: int, data: bytes = _BLANK) -> None:
        self.number = number
        self._data = bytearray(data)

    def __bytes__(self) -> bytes:
        return bytes(self._data)

    # -- header ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> PageState:
        """The state that counts: CORRUPT for a bad CRC, an unknown state, or an unused page that is not blank."""
        state, _, _, _, crc = _HEADER.unpack_from(self._data)
        if state == PageState.ERASED:
            return PageState.ERASED if self._data == _BLANK else PageState.CORRUPT
        if crc != crc32(bytes(self._data[4:28])) or state not in READABLE:
            return PageState.CORRUPT
        return PageState(state)

    @property
    def sequence(self) -> int:
        """Pages are read in the order of their sequence numbers, not of their places."""
        return int(_HEADER.unpack_from(self._data)[1])

    @property
    def version(self) -> int:
        return self._data[8]

    @property
    def first_word(self) -> int:
        """The state word as it lies there, valid or not."""
        return int(_HEADER.unpack_from(self._data)[0])

    def activate(self, sequence: int, version: int) -> None:
        """Erase the page if need be and give it a header."""
        self.erase()
        head = struct.pack("<IB19s", sequence, version, b"\xff" * 19)
        self._program(0, struct.pack("<I", PageState.ACTIVE) + head + struct.pack("<I", crc32(head)))

    def mark_full(self) -> None:
        self._program(0, struct.pack("<I", PageState.FULL))

    def erase(self) -> None:
        self._data[:] = _BLANK

    # -- entries ---------------------------------------------------------------------------------------------------

    def entry_state(self, index: int) -> EntryState:
        return _BY_BITS[self._data[_STATES_AT + index // 4] >> (index % 4 * 2) & 0b11]

    def entry(self, index: int, count: int = 1) -> bytes:
        at = _ENTRIES_AT + index * ENTRY_SIZE
        return bytes(self._data[at : at + count * ENTRY_SIZE])

    @property
    def used(self) -> int:
        """Entries marked as written."""
        return sum(self.entry_state(i) is EntryState.WRITTEN for i in range(ENTRIES))

    @property
    def next_free(self) -> int:
        """The first of the untouched entries at the end. An entry is untouched if its state and all its bytes are.

        A write that was cut off leaves bytes behind an empty state; such an entry cannot be written again.
        """
        index = ENTRIES
        blank = b"\xff" * ENTRY_SIZE
        while index > 0 and self.entry_state(index - 1) is EntryState.EMPTY and self.entry(index - 1) == blank:
            index -= 1
        return index

    @property
    def room(self) -> int:
        """Entries that can still be written: none unless the page is active."""
        return ENTRIES - self.next_free if self.state is PageState.ACTIVE else 0

    def append(self, raw: bytes) -> None:
        """Write an item into the next free entries. The caller has seen to it that there is `room`."""
        start = self.next_free
        count = len(raw) // ENTRY_SIZE
        self._program(_ENTRIES_AT + start * ENTRY_SIZE, raw)
        for index in range(start, start + count):
            self._set_entry_state(index, EntryState.WRITTEN)

    def discard(self, index: int, count: int) -> None:
        """Mark entries as erased."""
        for i in range(index, index + count):
            self._set_entry_state(i, EntryState.ERASED)

    def scan(self) -> Iterator[Item | Damage]:
        """The valid items in the order of their entries, and what damage lies between them.

        A bad first entry is stepped over alone, as the NVS library does: its span cannot be believed.
        """
        if self.state not in READABLE:
            return
        index = 0
        while index < ENTRIES:
            state = self.entry_state(index)
            if state is EntryState.WRITTEN:
                found = self._examine(index)
                index += found.span if isinstance(found, Item) else found.count
                yield found
                continue
            if state is EntryState.ILLEGAL:
                yield Damage(self.number, index, 1, "its state was never written so")
            index += 1

    def _examine(self, index: int) -> Item | Damage:
        first = self.entry(index)
        span = first[2]
        if struct.unpack_from("<I", first, 4)[0] != crc32(first[:4] + first[8:]):
            return Damage(self.number, index, 1, "its CRC is wrong")
        if span == 0 or index + span > ENTRIES:
            return Damage(self.number, index, 1, f"its span of {span} leaves the page")
        item = Item(self.number, index, self.entry(index, span))
        if any(self.entry_state(i) is not EntryState.WRITTEN for i in range(index, index + span)):
            return Damage(self.number, index, span, f"{item.key!r} was written or erased only in part")
        if item.type in SIZED:
            size, _, data_crc = struct.unpack("<HHI", item.field)
            if span != 1 + -(-size // ENTRY_SIZE) or crc32(item.data) != data_crc:
                return Damage(self.number, index, span, f"the data of {item.key!r} is damaged")
        return item

    def _set_entry_state(self, index: int, state: EntryState) -> None:
        at = _STATES_AT + index // 4
        shift = index % 4 * 2
        self._program(at, bytes([self._data[at] & ~(0b11 << shift) | state << shift]))

    def _program(self, offset: int, data: bytes) -> None:
        """Write as NOR flash does. Setting a bit is a mistake in this package, never in its input."""
        for at, byte in enumerate(data, offset):
            if byte & ~self._data[at]:
                raise AssertionError(f"page {self.number}: a write at {at:#x} would set bits that are cleared")
            self._data[at] &= byte
