"""Changing some files of a partition and keeping all others, page by page where they are.

A partition is written in whole sectors, so a block that changes is erased anyway: its deleted pages are free again at
no cost. Therefore no page of another file ever moves. Pages of a file that is replaced are used again first, then those
of blocks that hold something already, then erased blocks; SPIFFS needs two of these, and they are left.

A file's pages are laid out so that its index header comes last in the partition: written from the lowest block to the
highest, a file that a power failure cuts off has no name yet.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from hil.wire.spiffs.geometry import (
    COUNT_LIMIT,
    DELETED,
    FREE,
    HIGHEST_ID,
    INDEX_ID,
    NO_COUNT,
    NOT_DELETED,
    PAGE_HEADER,
    SPARE_BLOCKS,
    USED,
    Geometry,
    SpiffsError,
    SpiffsFull,
    data_page,
    index_header,
    index_page,
)
from hil.wire.spiffs.reader import File, Pages, parse
from hil.wire.spiffs.recognise import check, is_blank


def merge(
    data: bytes, changes: Mapping[str, bytes | None], geometry: Geometry | None = None, *, format: bool = False
) -> bytes:
    """The partition with these files, by name, and nothing else changed; None takes a file away.

    Files that are there already are left alone: merging the same changes again gives the same bytes. An erased
    partition is formatted; `format` does that with whatever else is not SPIFFS of this geometry.

    Raises NotSpiffs for a partition that is neither, SpiffsFull if the files do not fit, SpiffsError for names that
    SPIFFS cannot hold. `data` itself is never changed.
    """
    geometry = geometry or Geometry()
    for name in changes:
        geometry.check_name(name)
    blocks = geometry.blocks(len(data))
    if is_blank(data):
        if all(content is None for content in changes.values()):
            return data
        data = _formatted(blocks, geometry)
    else:
        try:
            check(data, geometry)
        except SpiffsError:
            if not format:
                raise
            data = _formatted(blocks, geometry)
    volume = _Volume(data, geometry)
    volume.change(changes)
    return bytes(volume)


def build(size: int, files: Mapping[str, bytes], geometry: Geometry | None = None) -> bytes:
    """A new partition of `size` bytes that holds `files`. Raises like `merge`."""
    geometry = geometry or Geometry()
    return merge(_formatted(geometry.blocks(size), geometry), files, geometry)


def _formatted(blocks: int, geometry: Geometry) -> bytes:
    """An empty file system, as the library formats it."""
    return b"".join(
        _block(geometry, [], [], geometry.magic(block, blocks), block % COUNT_LIMIT) for block in range(blocks)
    )


def _block(geometry: Geometry, ids: list[int], pages: list[bytes], magic: int, count: int) -> bytes:
    """A block that holds these pages from its first slot on, and their ids in its lookup."""
    size = geometry.lookups * geometry.page_size
    lookup = struct.pack(f"<{len(ids)}H", *ids).ljust(size - 4, b"\xff") + struct.pack("<HH", magic, count)
    return (lookup + b"".join(pages)).ljust(geometry.block_size, b"\xff")


class _Volume:
    """A partition in memory: who has which page, and which pages are new."""

    def __init__(self, data: bytes, geometry: Geometry) -> None:
        self._geometry = geometry
        self._pages = Pages(data, geometry)
        self._parsed = parse(data, geometry)
        self._live = dict(self._pages.live())
        #: Pages that must stay: what a lookup names, and what a file has in spite of its lookup.
        self._kept = set(self._live)
        for file in self._parsed.found:
            if file.content is not None:
                self._kept.update(file.pages)
        self._new: dict[int, tuple[int, bytes]] = {}  # page number: id for the lookup, content
        self._rewritten = set(self._parsed.unmarked)
        self._spare = min(SPARE_BLOCKS, sum(self._is_free(block) for block in range(self._pages.blocks)))

    def change(self, changes: Mapping[str, bytes | None]) -> None:
        """Make these changes. Raises SpiffsFull, SpiffsError."""
        going = {name for name, content in changes.items() if not self._agrees(name, content)}
        for file in self._parsed.found:
            if file.name in going:
                self._remove(file, going)
        wanted = [(name, content) for name, content in changes.items() if name in going and content is not None]
        slots = self._choose(sum(self._geometry.needs(len(content)) for _, content in wanted))
        for name, content in wanted:
            self._write(name, content, slots)

    def _agrees(self, name: str, content: bytes | None) -> bool:
        """Whether firmware finds this content, and that once; or no such file."""
        found = [file for file in self._parsed.found if file.name == name]
        return found == [] if content is None else len(found) == 1 and found[0].content == content

    def __bytes__(self) -> bytes:
        counts = self._counts()
        size = self._geometry.block_size
        blocks = []
        for block in range(self._pages.blocks):
            if block in self._rewritten:
                blocks.append(self._composed(block, next(counts)))
            else:
                blocks.append(self._pages.data[block * size : (block + 1) * size])
        return b"".join(blocks)

    # -- what goes ---------------------------------------------------------------------------------------------------

    def _names(self, object_id: int) -> set[str]:
        """The names of an object; two, if power failed while its file was renamed."""
        return {file.name for file in self._parsed.found if file.object_id == object_id}

    def _remove(self, file: File, going: set[str]) -> None:
        gone = {file.header}
        if self._names(file.object_id) <= going:
            gone |= {number for number, object_id in self._live.items() if object_id & ~INDEX_ID == file.object_id}
            gone |= set(file.pages) if file.content is not None else set()
            gone -= self._held_by_others(going)
        self._kept -= gone
        self._rewritten |= {number // self._geometry.pages for number in gone}

    def _held_by_others(self, going: set[str]) -> set[int]:
        """The pages of whole files that stay: a damaged lookup may say that one of them is somebody else's."""
        staying = (file for file in self._parsed.found if file.content is not None and file.name not in going)
        return {number for file in staying for number in file.pages}

    # -- where the new goes ------------------------------------------------------------------------------------------

    def _open(self, block: int) -> list[int]:
        """The pages of a block that can be written to once it is erased."""
        numbers = (self._geometry.page_of(block, slot) for slot in range(self._geometry.slots))
        return [number for number in numbers if number not in self._kept]

    def _is_free(self, block: int) -> bool:
        """Whether a block is erased, or will be."""
        if len(self._open(block)) < self._geometry.slots:
            return False
        return block in self._rewritten or self._pages.lookup(block)[0] == FREE

    def _choose(self, needed: int) -> Iterator[int]:
        """The numbers of `needed` pages, ascending, in as few blocks as can be. Raises SpiffsFull."""
        chosen: list[int] = []
        room = {block: len(self._open(block)) for block in range(self._pages.blocks)}
        free = {block for block in room if self._is_free(block)}
        budget = max(0, len(free) - self._spare)
        first = sorted(self._rewritten, key=lambda block: (block in free, block))
        while len(chosen) < needed:
            usable = {block: pages for block, pages in room.items() if pages and (block not in free or budget)}
            if not usable:
                raise self._full(needed, len(chosen))
            rest = needed - len(chosen)
            at_hand = [block for block in first if block in usable]
            block = at_hand[0] if at_hand else _best(usable, rest)
            chosen += self._open(block)[:rest]
            budget -= block in free
            room[block] = 0
        self._rewritten |= {number // self._geometry.pages for number in chosen}
        return iter(sorted(chosen))

    def _full(self, needed: int, available: int) -> SpiffsFull:
        geometry = self._geometry
        return SpiffsFull(
            f"does not fit: needs {needed} pages of {geometry.content} bytes, {available} free of "
            f"{self._pages.blocks * geometry.slots} ({SPARE_BLOCKS} blocks of {geometry.slots} stay free, as SPIFFS "
            "needs them); make the partition larger or its files fewer"
        )

    def _write(self, name: str, content: bytes, slots: Iterator[int]) -> None:
        """Lay out a file: its data, then its index with the header last. An older one leaves it id and metadata."""
        geometry = self._geometry
        old = self._parsed.by_name().get(name)
        object_id = old.object_id if old and len(self._names(old.object_id)) == 1 else self._unused_id()
        meta = old.meta if old else bytes(geometry.meta_length)
        numbers = []
        for span, start in enumerate(range(0, len(content), geometry.content)):
            numbers.append(next(slots))
            page = data_page(geometry, object_id, span, content[start : start + geometry.content])
            self._new[numbers[-1]] = (object_id, page)
        header = index_header(geometry, name, len(content), meta)
        tables = [numbers[: geometry.first_entries]]
        for start in range(geometry.first_entries, len(numbers), geometry.more_entries):
            tables.append(numbers[start : start + geometry.more_entries])
        for span in (*range(1, len(tables)), 0):
            page = index_page(geometry, object_id, span, tables[span], b"" if span else header)
            self._new[next(slots)] = (object_id | INDEX_ID, page)

    def _unused_id(self) -> int:
        taken = {object_id & ~INDEX_ID for object_id in self._live.values()}
        taken |= {file.object_id for file in self._parsed.found}
        taken |= {object_id & ~INDEX_ID for object_id, _ in self._new.values()}
        for object_id in range(1, HIGHEST_ID + 1):
            if object_id not in taken:
                return object_id
        raise SpiffsFull("does not fit: all object ids are taken")

    # -- blocks ------------------------------------------------------------------------------------------------------

    def _counts(self) -> Iterator[int]:
        """Erase counts for the blocks that are erased now, going on where the library would."""
        counts = (self._pages.marks(block)[1] for block in range(self._pages.blocks) if self._pages.is_marked(block))
        count = max((count for count in counts if count != NO_COUNT), default=0) + 1
        while True:
            count %= COUNT_LIMIT
            yield count
            count += 1

    def _composed(self, block: int, count: int) -> bytes:
        geometry = self._geometry
        ids: list[int] = []
        pages: list[bytes] = []
        for slot in range(geometry.slots):
            number = geometry.page_of(block, slot)
            if number in self._new:
                object_id, page = self._new[number]
            elif number in self._kept:
                page = self._pages.page(number)
                object_id = self._live.get(number) or PAGE_HEADER.unpack_from(page)[0]
            else:
                object_id, page = DELETED, _deleted(self._pages.page(number))
            ids.append(object_id)
            pages.append(page)
        while ids and ids[-1] == DELETED:
            ids.pop()
            pages.pop()
        return _block(geometry, ids, pages, geometry.magic(block, self._pages.blocks), count)


def _best(usable: Mapping[int, int], needed: int) -> int:
    """The block that takes all that is left and has the least room to spare; the roomiest if none can."""
    enough = [block for block, room in usable.items() if room >= needed]
    if enough:
        return min(enough, key=lambda block: (usable[block], block))
    return max(usable, key=lambda block: (usable[block], -block))


def _deleted(page: bytes) -> bytes:
    """A page that is deleted, with what it held wiped: it may have been a key."""
    object_id, span, flags = PAGE_HEADER.unpack_from(page)
    return PAGE_HEADER.pack(object_id, span, flags & ~(NOT_DELETED | USED)).ljust(len(page), b"\xff")
