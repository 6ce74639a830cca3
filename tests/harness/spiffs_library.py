"""SPIFFS as the library in a firmware does it: bits only ever cleared, blocks erased whole, pages taken in order.

A model after the format's description (docs/TECH_SPEC and the comments in SPIFFS' sources). It shares nothing with
hil.wire.spiffs, so that what one writes and the other reads means something.
"""

from __future__ import annotations

from collections.abc import Iterator


class Unmountable(Exception):
    """The library's SPIFFS_ERR_NOT_A_FS: firmware would format the partition."""


class Full(Exception):
    """The library's SPIFFS_ERR_FULL."""


class Library:
    """A mounted partition. Raises Unmountable."""

    def __init__(self, flash: bytes, *, page: int = 256, name: int = 32, meta: int = 4, mount: bool = True) -> None:
        self.flash = bytearray(flash)
        self.page_size, self.name_size, self.meta_size = page, name, meta
        self.per_block = 4096 // page
        self.blocks = len(flash) // 4096
        self.head_entries = (page - 13 - name - meta) // 2
        self.more_entries = (page - 8) // 2
        self.cursor = 0
        self.erases = 0
        if mount:
            self._mount()

    # -- flash -------------------------------------------------------------------------------------------------------

    def _program(self, at: int, data: bytes) -> None:
        for i, byte in enumerate(data):
            self.flash[at + i] &= byte

    def _number(self, at: int, size: int = 2) -> int:
        return int.from_bytes(self.flash[at : at + size], "little")

    def magic(self, block: int) -> int:
        return (0x20140529 ^ self.page_size ^ (self.blocks - block)) & 0xFFFF

    def _erase(self, block: int) -> None:
        at = block * 4096
        self.flash[at : at + 4096] = b"\xff" * 4096
        self._program(at + self.page_size - 2, self.erases.to_bytes(2, "little"))
        self._program(at + self.page_size - 4, self.magic(block).to_bytes(2, "little"))
        self.erases = (self.erases + 1) % 0x8000

    def format(self) -> None:
        self.erases = 0
        for block in range(self.blocks):
            self._erase(block)

    def _mount(self) -> None:
        counts = [self._number(b * 4096 + self.page_size - 2) for b in range(self.blocks)]
        self.erases = max((count for count in counts if count != 0xFFFF), default=0) + 1
        bad = [b for b in range(self.blocks) if self._number(b * 4096 + self.page_size - 4) != self.magic(b)]
        if len(bad) > 1:
            raise Unmountable(f"no magic in blocks {bad}")
        for block in bad:
            self._erase(block)

    # -- pages -------------------------------------------------------------------------------------------------------

    def lookup(self, page: int) -> int:
        block, slot = divmod(page, self.per_block)
        return self._number(block * 4096 + 2 * (slot - 1))

    def header(self, page: int) -> tuple[int, int, int]:
        at = page * self.page_size
        return self._number(at), self._number(at + 2), self.flash[at + 4]

    def pages(self) -> Iterator[int]:
        """All pages that can hold something, in the order in which the library scans them."""
        return (page for page in range(self.blocks * self.per_block) if page % self.per_block)

    def free_blocks(self) -> int:
        return sum(self._number(b * 4096) == 0xFFFF for b in range(self.blocks))

    def _find(self, object_id: int, span: int) -> int | None:
        for page in self.pages():
            if self.lookup(page) == object_id:
                own, own_span, flags = self.header(page)
                if (own, own_span) == (object_id, span) and flags & 0x83 == 0x80:
                    return page
        return None

    def _headers(self) -> Iterator[int]:
        for page in self.pages():
            if self.lookup(page) not in (0, 0xFFFF) and self.lookup(page) & 0x8000:
                object_id, span, flags = self.header(page)
                if span == 0 and flags & 0xC7 == 0xC0 and object_id == self.lookup(page):
                    yield page

    def _take(self, object_id: int, but: int | None = None) -> int:
        """A free page, its lookup entry written."""
        if but is None and self.free_blocks() < 2:
            self.collect()
            if self.free_blocks() < 2:
                raise Full
        pages = list(self.pages())
        start = next((i for i, page in enumerate(pages) if page >= self.cursor), 0)
        for page in pages[start:] + pages[:start]:
            if self.lookup(page) == 0xFFFF and page // self.per_block != but:
                block, slot = divmod(page, self.per_block)
                self._program(block * 4096 + 2 * (slot - 1), object_id.to_bytes(2, "little"))
                self.cursor = page + 1
                return page
        raise Full

    def _put(self, object_id: int, span: int, body: bytes, but: int | None = None) -> int:
        page = self._take(object_id, but)
        flags = b"\xf8" if object_id & 0x8000 else b"\xfc"
        head = object_id.to_bytes(2, "little") + span.to_bytes(2, "little") + flags
        assert self.flash[page * self.page_size : (page + 1) * self.page_size] == b"\xff" * self.page_size
        self._program(page * self.page_size, head + body)
        return page

    def _delete(self, page: int) -> None:
        block, slot = divmod(page, self.per_block)
        self._program(block * 4096 + 2 * (slot - 1), b"\0\0")
        self._program(page * self.page_size + 4, b"\x7e")

    # -- files -------------------------------------------------------------------------------------------------------

    def _name(self, header: int) -> str:
        at = header * self.page_size + 13
        return bytes(self.flash[at : at + self.name_size]).split(b"\0")[0].decode()

    def names(self) -> dict[str, int]:
        """Each file's name and object id."""
        found: dict[str, int] = {}
        for header in self._headers():
            found.setdefault(self._name(header), self.lookup(header) & 0x7FFF)
        return found

    def read(self, name: str) -> bytes:
        """What firmware reads. Raises LookupError for a missing file, and for a page that is not what it should be."""
        object_id = self.names()[name]
        header = self._find(object_id | 0x8000, 0)
        assert header is not None
        size = self._number(header * self.page_size + 8, 4)
        size = 0 if size == 0xFFFFFFFF else size
        content = b""
        while len(content) < size:
            span = len(content) // (self.page_size - 5)
            page = self._entry(object_id, span)
            if self.header(page)[:2] != (object_id, span) or self.header(page)[2] & 0x87 != 0x84:
                raise LookupError(f"{name}: page {page} is not part {span}")
            content += self.flash[page * self.page_size + 5 : (page + 1) * self.page_size]
        return content[:size]

    def _place(self, object_id: int, span: int) -> tuple[int, int]:
        """The index page that names a data page, and where in it."""
        if span < self.head_entries:
            index, at = 0, 13 + self.name_size + self.meta_size + 2 * span
        else:
            index, within = divmod(span - self.head_entries, self.more_entries)
            index, at = index + 1, 8 + 2 * within
        page = self._find(object_id | 0x8000, index)
        if page is None:
            raise LookupError(f"object {object_id}: index page {index} is missing")
        return page, at

    def _entry(self, object_id: int, span: int) -> int:
        page, at = self._place(object_id, span)
        return self._number(page * self.page_size + at)

    def write(self, name: str, content: bytes) -> None:
        """As fopen(name, "w"), fwrite, fclose: a file of this name is removed first. Raises Full."""
        if name in self.names():
            self.remove(name)
        ids = {self.lookup(page) & 0x7FFF for page in self.pages()}
        object_id = next(i for i in range(1, 0x7FFF) if i not in ids)
        meta = b"\x01" * self.meta_size
        self._put(
            object_id | 0x8000,
            0,
            b"\xff" * 3 + b"\xff" * 4 + b"\x01" + name.encode().ljust(self.name_size, b"\0") + meta,
        )
        room = self.page_size - 5
        for span in range(-(-len(content) // room)):
            page = self._put(object_id, span, content[span * room : (span + 1) * room])
            if span >= self.head_entries and (span - self.head_entries) % self.more_entries == 0:
                self._put(object_id | 0x8000, 1 + (span - self.head_entries) // self.more_entries, b"")
            index, at = self._place(object_id, span)
            self._program(index * self.page_size + at, page.to_bytes(2, "little"))
        if content:
            header = self._find(object_id | 0x8000, 0)
            assert header is not None
            self._program(header * self.page_size + 8, len(content).to_bytes(4, "little"))

    def remove(self, name: str) -> None:
        object_id = self.names()[name]
        for page in self.pages():
            if self.lookup(page) not in (0, 0xFFFF) and self.lookup(page) & 0x7FFF == object_id:
                self._delete(page)

    def collect(self) -> None:
        """Empty the block with the most deleted pages, and erase it."""
        deleted = [
            sum(self.lookup(p) == 0 for p in self.pages() if p // self.per_block == b) for b in range(self.blocks)
        ]
        victim = max(range(self.blocks), key=lambda b: deleted[b])
        if not deleted[victim]:
            return
        for page in range(victim * self.per_block + 1, (victim + 1) * self.per_block):
            object_id = self.lookup(page)
            if object_id in (0, 0xFFFF):
                continue
            span = self.header(page)[1]
            body = bytes(self.flash[page * self.page_size + 5 : (page + 1) * self.page_size])
            moved = self._put(object_id, span, body, but=victim)
            if not object_id & 0x8000:
                self._rename(object_id, span, moved, victim)
            self._delete(page)
        self._erase(victim)

    def _rename(self, object_id: int, span: int, page: int, victim: int) -> None:
        """A data page has moved: its index is written anew."""
        index, at = self._place(object_id, span)
        whole = bytearray(self.flash[index * self.page_size : (index + 1) * self.page_size])
        whole[at : at + 2] = page.to_bytes(2, "little")
        _, index_span, _ = self.header(index)
        self._put(object_id | 0x8000, index_span, bytes(whole[5:]), but=victim)
        self._delete(index)

    # -- what must be so ---------------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """Whatever a check of the file system would complain of."""
        found = []
        for block in range(self.blocks):
            entries = [self._number(block * 4096 + 2 * i) for i in range(self.per_block - 1)]
            used = entries.index(0xFFFF) if 0xFFFF in entries else len(entries)
            if any(entry != 0xFFFF for entry in entries[used:]):
                found.append(f"block {block}: a free entry before one in use")
            start = (block * self.per_block + 1 + used) * self.page_size
            if bytes(self.flash[start : (block + 1) * 4096]).strip(b"\xff"):
                found.append(f"block {block}: a free page that is not erased")
            if bytes(self.flash[block * 4096 + 2 * len(entries) : block * 4096 + self.page_size - 4]).strip(b"\xff"):
                found.append(f"block {block}: its lookup is too long")
        owned: set[int] = set()
        seen: set[tuple[int, int]] = set()
        for page in self.pages():
            entry, (object_id, span, flags) = self.lookup(page), self.header(page)
            if entry == 0 and flags & 0x80:
                found.append(f"page {page}: deleted in the lookup alone")
            if entry in (0, 0xFFFF):
                continue
            if (entry, span) in seen:
                found.append(f"page {page}: object {entry:#x} has two parts {span}")
            seen.add((entry, span))
            if entry != object_id or flags != (0xF8 if entry & 0x8000 else 0xFC):
                found.append(f"page {page}: {object_id:#x} with flags {flags:#x}, {entry:#x} in the lookup")
        for name, object_id in self.names().items():
            try:
                parts = -(-len(self.read(name)) // (self.page_size - 5))
            except LookupError as error:
                found.append(str(error))
                continue
            owned |= {self._entry(object_id, span) for span in range(parts)}
        data = {p for p in self.pages() if self.lookup(p) not in (0, 0xFFFF) and not self.lookup(p) & 0x8000}
        if data != owned:
            found.append(f"pages {sorted(data ^ owned)} belong to no file, or to two")
        return found
