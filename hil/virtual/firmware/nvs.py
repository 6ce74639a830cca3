"""The firmware's non-volatile storage: ESP-IDF's NVS format, read for settings, written for counters and the console.

Written apart from the harness's own NVS code, on purpose: what one of them misunderstands, the other would notice.
Source of every number here: ESP-IDF Programming Guide, 'Non-Volatile Storage Library', section 'Internals'.

- A partition is pages of 4096 bytes. A page: header of 32 bytes, bitmap of 32 bytes (two bits for each entry: 11
  empty, 10 written, 00 erased), 126 entries of 32 bytes.
- An entry: namespace, type, span, chunk (1 byte each), CRC-32 (4), key (16, with NUL), data (8). The CRC is of the
  entry without itself. A string or blob holds size and CRC-32 in its data, and its bytes in the entries that follow.
- Namespace 0 maps names to numbers. A blob is data chunks (0x42) and an index (0x48) that says how many and from
  which chunk number on (0 or 128, so that a new version can be written before the old one is erased).
- A value is changed by writing a new entry and then erasing the old one; after a power cut in between there are two,
  and the newer one counts.
- At least one page stays empty, to move the living entries of a page into when no other space is left.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

PAGE = 4096
ENTRY = 32
ENTRIES = 126
_BITMAP = 32
_FIRST = 64

EMPTY_PAGE, ACTIVE, FULL, FREEING, CORRUPT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFC, 0xFFFFFFF8, 0xFFFFFFF0
"""Page states; each next one only clears bits, as NOR flash can."""

MOST_KEY = 15
MOST_STRING = 4000
"""Characters of a key, and bytes of a string with its NUL, at most."""

_VERSION_2 = 0xFE
_ANY_CHUNK = 0xFF
_SECOND_VERSION = 0x80
_INTEGERS = {
    0x01: "<B", 0x11: "<b", 0x02: "<H", 0x12: "<h", 0x04: "<I", 0x14: "<i", 0x08: "<Q", 0x18: "<q",
}  # fmt: skip
_U8, _U32, _STRING, _BLOB_OLD, _BLOB_DATA, _BLOB_INDEX = 0x01, 0x04, 0x21, 0x41, 0x42, 0x48

Value = int | str | bytes


class NvsError(Exception):
    """The partition cannot be used; the text is one line."""


def _crc(data: bytes | bytearray) -> int:
    return zlib.crc32(data, 0xFFFFFFFF)


def _measure(body: bytes) -> bytes:
    return struct.pack("<HHI", len(body), 0xFFFF, _crc(body))


@dataclass(slots=True)
class _Entry:
    """One living item: where it lies, and what it says."""

    page: int
    slot: int
    namespace: int
    type: int
    span: int
    chunk: int
    key: str
    data: bytes
    body: bytes = b""

    @property
    def identity(self) -> tuple[int, str, int]:
        """Of two entries with the same one, the newer counts. The parts of a blob are told apart by their chunk."""
        part = self.chunk if self.type in (_BLOB_DATA, _BLOB_INDEX) else -1
        return self.namespace, self.key, part


@dataclass(slots=True)
class _Page:
    state: int
    sequence: int
    used: int = 0  # slots that are not empty
    entries: list[_Entry] = field(default_factory=list)


class Store:
    """One NVS partition, whole in memory; changes go to flash at once.

    `content` is the partition's bytes; `write(offset, data)` and `erase(offset, length)` change the flash, offsets
    within the partition. `warnings` lists, in words, what was found damaged and therefore left out.
    """

    def __init__(self, content: bytes, write: Callable[[int, bytes], None], erase: Callable[[int, int], None]) -> None:
        if len(content) < 3 * PAGE or len(content) % PAGE:
            raise NvsError(f"nvs partition of {len(content)} bytes, expected at least 3 pages of {PAGE}")
        self._content = bytearray(content)
        self._write_flash = write
        self._erase_flash = erase
        self.warnings: list[str] = []
        self._pages = [self._load(number) for number in range(len(content) // PAGE)]
        self._finish_erasing()
        self._finish_moving()

    @property
    def content(self) -> bytes:
        """The partition's bytes as they are now."""
        return bytes(self._content)

    # -- reading --------------------------------------------------------------------------------------------------

    def get(self, namespace: str, key: str) -> Value | None:
        """The value, or None if there is none (or if it is damaged; `warnings` then says so)."""
        number = self._namespace(namespace)
        if number is None:
            return None
        found = [e for e in self._entries() if e.namespace == number and e.key == key and e.type != _BLOB_DATA]
        return self._value(found[-1]) if found else None

    def _value(self, entry: _Entry) -> Value | None:
        if entry.type in _INTEGERS:
            return int(struct.unpack_from(_INTEGERS[entry.type], entry.data)[0])
        if entry.type == _STRING:
            return entry.body.split(b"\0", 1)[0].decode("utf-8", "replace")
        if entry.type == _BLOB_OLD:
            return entry.body
        return self._blob(entry)

    def _blob(self, index: _Entry) -> bytes | None:
        size, count, start = struct.unpack_from("<IBB", index.data)
        chunks = {
            e.chunk: e.body
            for e in self._entries()
            if (e.namespace, e.key, e.type) == (index.namespace, index.key, _BLOB_DATA)
        }
        blob = b"".join(chunks.get(start + i, b"") for i in range(count))
        if len(blob) != size:
            self.warnings.append(f"blob {index.key}: {len(blob)} of {size} bytes found, left out")
            return None
        return blob

    def _namespace(self, name: str) -> int | None:
        for entry in self._entries():
            if entry.namespace == 0 and entry.type == _U8 and entry.key == name:
                return entry.data[0]
        return None

    def _entries(self) -> list[_Entry]:
        """All living entries, the oldest page first."""
        pages = sorted((p for p in self._pages if p.state in (ACTIVE, FULL, FREEING)), key=lambda p: p.sequence)
        return [entry for page in pages for entry in page.entries]

    def _load(self, number: int) -> _Page:
        content = self._content[number * PAGE : (number + 1) * PAGE]
        state, sequence = struct.unpack_from("<II", content)
        if state == EMPTY_PAGE:
            if content.count(0xFF) != PAGE:
                self.warnings.append(f"page {number}: not empty though its header is")
                return _Page(CORRUPT, 0)
            return _Page(EMPTY_PAGE, 0)
        (stated,) = struct.unpack_from("<I", content, 28)
        if state not in (ACTIVE, FULL, FREEING) or stated != _crc(content[4:28]):
            self.warnings.append(f"page {number}: header damaged (state {state:#010x}), left out")
            return _Page(CORRUPT, 0)
        page = _Page(state, sequence)
        slot = 0
        while slot < ENTRIES:
            mark = content[_BITMAP + slot // 4] >> (slot % 4 * 2) & 3
            at = _FIRST + slot * ENTRY
            entry = self._load_entry(number, slot, content) if mark == 2 else None
            span = entry.span if entry else 1
            if mark != 3 or content.count(0xFF, at, at + ENTRY) != ENTRY:
                page.used = slot + span  # also one that was programmed, and the power cut before it was marked
            if entry is not None and entry.type:
                page.entries.append(entry)
            slot += span
        return page

    def _load_entry(self, number: int, slot: int, content: bytearray) -> _Entry | None:
        """The entry, of type 0 if its span is known but its data is damaged; None if not even that."""
        at = _FIRST + slot * ENTRY
        raw = bytes(content[at : at + ENTRY])
        namespace, kind, span, chunk, stated = struct.unpack_from("<BBBBI", raw)
        key = raw[8:24].split(b"\0", 1)[0].decode("ascii", "replace")
        if stated != _crc(raw[:4] + raw[8:]) or not 1 <= span <= ENTRIES - slot:
            self.warnings.append(f"page {number} entry {slot}: CRC is wrong, left out")
            return None
        entry = _Entry(number, slot, namespace, kind, span, chunk, key, raw[24:])
        if kind in (_STRING, _BLOB_OLD, _BLOB_DATA):
            size, _, body_crc = struct.unpack("<HHI", entry.data)
            entry.body = bytes(content[at + ENTRY : at + ENTRY + size])
            if len(entry.body) != size or size > (span - 1) * ENTRY or body_crc != _crc(entry.body):
                self.warnings.append(f"page {number} entry {slot} ({key}): data CRC is wrong, left out")
                entry.type = 0
        return entry

    def _finish_erasing(self) -> None:
        """A power cut between writing a value and erasing the old one leaves both: erase the old one now."""
        newest: dict[tuple[int, str, int], _Entry] = {}
        for entry in self._entries():
            old = newest.get(entry.identity)
            if old is not None:
                self._erase(old)
            newest[entry.identity] = entry
        parts = {
            (e.namespace, e.key, number)
            for e in self._entries()
            if e.type == _BLOB_INDEX
            for number in range(e.data[5], e.data[5] + e.data[4])
        }
        for entry in self._entries():
            if entry.type == _BLOB_DATA and (entry.namespace, entry.key, entry.chunk) not in parts:
                self._erase(entry)  # of a version that was not written to its end, or not erased to its end

    def _finish_moving(self) -> None:
        """A power cut while a page was being emptied leaves it marked so: empty it now."""
        for victim, page in enumerate(self._pages):
            target = next((n for n, p in enumerate(self._pages) if p.state == ACTIVE), None)
            if page.state != FREEING or target is None:
                continue
            if self._pages[target].used + self._living(victim) <= ENTRIES:
                self._move(victim, target)

    # -- writing --------------------------------------------------------------------------------------------------

    def set_u32(self, namespace: str, key: str, value: int) -> None:
        """Store a number of 32 bits; raises NvsError if the partition is full."""
        self._set(namespace, key, lambda number: self._add(number, _U32, key, struct.pack("<I", value) + b"\xff" * 4))

    def set_string(self, namespace: str, key: str, text: str) -> None:
        """Store a text. Raises NvsError if it has more than 3,999 bytes, or if the partition is full."""
        body = text.encode() + b"\0"
        if len(body) > MOST_STRING:
            raise NvsError(f"{key}: a string of {len(body) - 1} bytes, expected at most {MOST_STRING - 1}")
        self._set(namespace, key, lambda number: self._add(number, _STRING, key, _measure(body), body))

    def set_blob(self, namespace: str, key: str, blob: bytes) -> None:
        """Store bytes. Raises NvsError if the partition is full; what was there before is there still."""
        self._set(namespace, key, lambda number: self._add_blob(number, key, blob))

    def remove(self, namespace: str, key: str | None = None) -> bool:
        """Take a value away, or (without a key) all of a namespace; whether there was any."""
        number = self._namespace(namespace)
        found = [e for e in self._entries() if e.namespace == number and key in (None, e.key)]
        for entry in sorted(found, key=lambda e: e.type == _BLOB_DATA):  # a blob's index first: its rest is no value
            self._erase(entry)
        return bool(found)

    def keys(self, namespace: str) -> dict[str, Value]:
        """All values of a namespace, by their keys."""
        number = self._namespace(namespace)
        names = {e.key: None for e in self._entries() if number is not None and e.namespace == number}
        values = {name: self.get(namespace, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def _set(self, namespace: str, key: str, add: Callable[[int], None]) -> None:
        number = self._namespace(namespace)
        if number is None:
            taken = {e.data[0] for e in self._entries() if e.namespace == 0}
            number = next((n for n in range(1, 255) if n not in taken), None)
            if number is None:
                raise NvsError("nvs has no namespace number left")
            self._add(0, _U8, namespace, bytes([number]) + b"\xff" * 7)
        old = [e for e in self._entries() if e.namespace == number and e.key == key]
        try:
            add(number)
        except NvsError:
            for entry in [e for e in self._entries() if e.namespace == number and e.key == key and e not in old]:
                self._erase(entry)
            raise
        for entry in sorted(old, key=lambda e: e.type == _BLOB_DATA):
            self._erase(entry)

    def _add_blob(self, number: int, key: str, blob: bytes) -> None:
        """Chunks as the pages have room for, from the chunk number on that the present version does not have."""
        index = next((e for e in self._entries() if (e.namespace, e.key, e.type) == (number, key, _BLOB_INDEX)), None)
        start = _SECOND_VERSION if index is not None and index.data[5] < _SECOND_VERSION else 0
        chunks, at = 0, 0
        while at < len(blob) or not chunks:
            page = self._pages[self._writable_page(2)]
            part = blob[at : at + (ENTRIES - page.used - 1) * ENTRY]
            self._add(number, _BLOB_DATA, key, _measure(part), part, chunk=start + chunks)
            chunks, at = chunks + 1, at + len(part)
        data = struct.pack("<IBBH", len(blob), chunks, start, 0xFFFF)
        self._add(number, _BLOB_INDEX, key, data)

    def _add(
        self, namespace: int, kind: int, key: str, data: bytes, body: bytes = b"", *, chunk: int = _ANY_CHUNK
    ) -> None:
        if not 1 <= len(key.encode()) <= MOST_KEY:
            raise NvsError(f"{key!r}: expected 1 to {MOST_KEY} characters")
        span = 1 - -len(body) // ENTRY
        number = self._writable_page(span)
        page = self._pages[number]
        head = struct.pack("<BBBB", namespace, kind, span, chunk)
        rest = key.encode("ascii", "replace").ljust(16, b"\0") + data
        raw = head + struct.pack("<I", _crc(head + rest)) + rest
        slot = page.used
        self._program(number * PAGE + _FIRST + slot * ENTRY, raw + body.ljust((span - 1) * ENTRY, b"\xff"))
        for part in range(slot, slot + span):
            self._mark(number, part, 2)
        page.used += span
        page.entries.append(_Entry(number, slot, namespace, kind, span, chunk, key, data, body))

    def _erase(self, entry: _Entry) -> None:
        for slot in range(entry.slot, entry.slot + entry.span):
            self._mark(entry.page, slot, 0)
        self._pages[entry.page].entries.remove(entry)

    def _mark(self, number: int, slot: int, bits: int) -> None:
        at = number * PAGE + _BITMAP + slot // 4
        kept = ~(3 << (slot % 4 * 2)) & 0xFF
        self._program(at, bytes([self._content[at] & (kept | bits << (slot % 4 * 2))]))

    def _writable_page(self, span: int = 1) -> int:
        """The active page if it has room for `span` entries, else another one; makes room where there is none."""
        for _ in range(2 * len(self._pages)):
            number = self._active_page()
            if self._pages[number].used + span <= ENTRIES:
                return number
            self._pages[number].state = FULL
            self._program(number * PAGE, struct.pack("<I", FULL))
        raise NvsError("nvs is full; erase the partition and provision the board again")

    def _active_page(self) -> int:
        active = next((number for number, page in enumerate(self._pages) if page.state == ACTIVE), None)
        if active is not None:
            return active
        free = [number for number, page in enumerate(self._pages) if page.state == EMPTY_PAGE]
        if not free:
            raise NvsError("nvs has no empty page left; erase the partition and provision the board again")
        number = free[0]
        if len(free) > 1:
            self._activate(number)
            return number
        # The last empty page: move into it what lives on the page with the least of it, and that one is empty then.
        candidates = [n for n, p in enumerate(self._pages) if p.state in (FULL, FREEING, CORRUPT)]
        victim = min(candidates, key=self._living)
        if self._living(victim) >= ENTRIES:
            raise NvsError("nvs is full; erase the partition and provision the board again")
        self._activate(number)
        if self._pages[victim].state == FULL:
            self._program(victim * PAGE, struct.pack("<I", FREEING))
        self._move(victim, number)
        return number

    def _activate(self, number: int) -> None:
        sequence = max((p.sequence for p in self._pages if p.state in (ACTIVE, FULL, FREEING)), default=-1) + 1
        head = struct.pack("<IB19s", sequence, _VERSION_2, b"\xff" * 19)
        self._program(number * PAGE, struct.pack("<I", ACTIVE) + head + struct.pack("<I", _crc(head)))
        self._pages[number] = _Page(ACTIVE, sequence)

    def _living(self, number: int) -> int:
        return sum(entry.span for entry in self._pages[number].entries)

    def _move(self, victim: int, target: int) -> None:
        page = self._pages[target]
        for entry in self._pages[victim].entries:
            source = victim * PAGE + _FIRST + entry.slot * ENTRY
            raw = bytes(self._content[source : source + entry.span * ENTRY])
            self._program(target * PAGE + _FIRST + page.used * ENTRY, raw)
            for slot in range(page.used, page.used + entry.span):
                self._mark(target, slot, 2)
            entry.page, entry.slot = target, page.used
            page.entries.append(entry)
            page.used += entry.span
        self._content[victim * PAGE : (victim + 1) * PAGE] = b"\xff" * PAGE
        self._erase_flash(victim * PAGE, PAGE)
        self._pages[victim] = _Page(EMPTY_PAGE, 0)

    def _program(self, offset: int, data: bytes) -> None:
        for i, byte in enumerate(data):
            self._content[offset + i] &= byte
        self._write_flash(offset, data)
