"""Reading a SPIFFS partition: which files it holds, which pages are whose, and what is not sound in it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hil.wire.spiffs.geometry import (
    BEING_DELETED,
    DELETED,
    FINAL,
    FREE,
    INDEX,
    INDEX_ID,
    INDEX_START,
    NAME_START,
    NOT_DELETED,
    PAGE_HEADER,
    USED,
    Geometry,
    size_and_type,
)

_STATE = USED | FINAL | INDEX | NOT_DELETED


@dataclass(frozen=True, slots=True, repr=False)
class File:
    """One object with a name. `content` is None if some of it is missing; `problem` says what.

    `header` is the page of its index header, `pages` are all that its index names, the header first; `meta` are the
    bytes of metadata (ESP-IDF keeps the time of the last change there).
    """

    name: str
    object_id: int
    kind: int
    size: int
    content: bytes | None
    header: int
    pages: tuple[int, ...]
    meta: bytes
    problem: str | None = None

    def __repr__(self) -> str:
        return f"File({self.name!r}, {self.size} bytes)"


@dataclass(frozen=True, slots=True)
class Spiffs:
    """What lies in a partition.

    `found` has every index header in the order in which the library comes across them: where a name or an object has
    several, the first one counts. `unmarked` are the blocks without their magic. `problems` has a line for whatever is
    not sound.
    """

    found: tuple[File, ...]
    unmarked: tuple[int, ...]
    problems: tuple[str, ...]

    @property
    def files(self) -> Mapping[str, bytes]:
        """Each whole file that firmware would find, by its name."""
        return {name: file.content for name, file in self.by_name().items() if file.content is not None}

    def by_name(self) -> dict[str, File]:
        """The file that firmware would open by each name."""
        named: dict[str, File] = {}
        for file in self.found:
            named.setdefault(file.name, file)
        return named


class Pages:
    """The pages of a partition, numbered as an index numbers them."""

    def __init__(self, data: bytes, geometry: Geometry) -> None:
        self.geometry = geometry
        self.blocks = geometry.blocks(len(data))
        self.data = data

    def page(self, number: int) -> bytes:
        """The bytes of a page."""
        at = number * self.geometry.page_size
        return self.data[at : at + self.geometry.page_size]

    def lookup(self, block: int) -> tuple[int, ...]:
        """What a block's lookup says of its slots."""
        return struct.unpack_from(f"<{self.geometry.slots}H", self.data, block * self.geometry.block_size)

    def marks(self, block: int) -> tuple[int, int]:
        """A block's magic and its erase count."""
        at = block * self.geometry.block_size + self.geometry.lookups * self.geometry.page_size - 4
        magic, count = struct.unpack_from("<HH", self.data, at)
        return magic, count

    def is_marked(self, block: int) -> bool:
        """Whether a block has the magic that it should have."""
        return self.marks(block)[0] == self.geometry.magic(block, self.blocks)

    def is_blank(self, block: int) -> bool:
        """Whether a block is erased, magic and all."""
        size = self.geometry.block_size
        return self.data.count(b"\xff", block * size, (block + 1) * size) == size

    def live(self) -> Iterator[tuple[int, int]]:
        """Page number and object id, as the lookups say, of all that is neither free nor deleted."""
        for block in range(self.blocks):
            if self.is_marked(block):
                for slot, object_id in enumerate(self.lookup(block)):
                    if object_id not in (FREE, DELETED):
                        yield self.geometry.page_of(block, slot), object_id


def parse(data: bytes, geometry: Geometry | None = None) -> Spiffs:
    """What a partition holds, whatever that is: see `problems`. Raises SpiffsError for an impossible size."""
    pages = Pages(data, geometry or Geometry())
    unmarked = [block for block in range(pages.blocks) if not pages.is_marked(block)]
    found = tuple(_files(pages))
    problems = [f"block {block}: no magic" for block in unmarked]
    problems += [f"file {file.name!r}: {file.problem}" for file in found if file.problem]
    names = [file.name for file in found]
    several = (name for name in dict.fromkeys(names) if names.count(name) > 1)
    problems += [f"file {name!r} is there {names.count(name)} times" for name in several]
    return Spiffs(found, tuple(unmarked), tuple(problems))


def _files(pages: Pages) -> Iterator[File]:
    indexes: dict[tuple[int, int], int] = {}
    headers: list[int] = []
    for number, object_id in pages.live():
        if object_id & INDEX_ID:
            own_id, span, flags = PAGE_HEADER.unpack_from(pages.page(number))
            if own_id != object_id or flags & _STATE != NOT_DELETED:
                continue
            indexes.setdefault((object_id, span), number)
            if span == 0 and flags & BEING_DELETED:
                headers.append(number)
    for number in headers:
        file = _file(pages, number, indexes)
        if file is not None:
            yield file


def _file(pages: Pages, header: int, indexes: Mapping[tuple[int, int], int]) -> File | None:
    """The file of an index header; None if that has no name."""
    geometry, page = pages.geometry, pages.page(header)
    name, end, _ = page[NAME_START : NAME_START + geometry.name_length].partition(b"\0")
    if not name or not end or b"\xff" in name:
        return None
    object_id = PAGE_HEADER.unpack_from(page)[0]
    size, kind = size_and_type(page)
    index, numbers, problem = _table(pages, object_id, size, header, indexes)
    content = b""
    if problem is None:
        content, problem = _content(pages, object_id & ~INDEX_ID, size, numbers)
    return File(
        name=name.decode("utf-8", "surrogateescape"),
        object_id=object_id & ~INDEX_ID,
        kind=kind,
        size=size,
        content=content if problem is None else None,
        header=header,
        pages=(*index, *numbers),
        meta=page[geometry.table_start - geometry.meta_length : geometry.table_start],
        problem=problem,
    )


def _table(
    pages: Pages, object_id: int, size: int, header: int, indexes: Mapping[tuple[int, int], int]
) -> tuple[list[int], list[int], str | None]:
    """The index pages of a file, the data pages that they name, and what is wrong with them."""
    geometry = pages.geometry
    count = -(-size // geometry.content)
    if count > pages.blocks * geometry.slots:
        return [header], [], f"its size, {size} bytes, is more than the partition's"
    index, numbers = [header], list(_entries(pages.page(header), geometry.table_start))[:count]
    for span in range(1, geometry.index_pages(count)):
        more = indexes.get((object_id, span))
        if more is None:
            return index, numbers, f"page {span} of its index is missing"
        index.append(more)
        numbers += _entries(pages.page(more), INDEX_START)
    return index, numbers[:count], None


def _entries(page: bytes, start: int) -> tuple[int, ...]:
    return struct.unpack_from(f"<{(len(page) - start) // 2}H", page, start)


def _content(pages: Pages, object_id: int, size: int, numbers: list[int]) -> tuple[bytes, str | None]:
    """What the pages of a file hold, and what is wrong with them."""
    geometry = pages.geometry
    parts = []
    for span, number in enumerate(numbers):
        at = geometry.slot_of(number)
        if at is None or at[0] >= pages.blocks or not pages.is_marked(at[0]):
            return b"", f"its index names page {number} for part {span}, which holds no data"
        page = pages.page(number)
        own_id, own_span, flags = PAGE_HEADER.unpack_from(page)
        if (own_id, own_span) != (object_id, span) or flags & _STATE != INDEX | NOT_DELETED:
            return b"", f"page {number}, which its index names for part {span}, is not that"
        parts.append(page[PAGE_HEADER.size :])
    return b"".join(parts)[:size], None
