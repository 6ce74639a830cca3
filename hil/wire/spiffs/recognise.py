"""Whether a partition is a SPIFFS of the expected geometry; if not, what it seems to be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hil.wire.spiffs.geometry import (
    INDEX,
    INDEX_ID,
    NAME_START,
    NOT_DELETED,
    PAGE_HEADER,
    Geometry,
    NotSpiffs,
    SpiffsError,
    size_and_type,
)
from hil.wire.spiffs.reader import Pages, parse

_PAGE_SIZES = (128, 256, 512, 1024)
_ENOUGH = 3  # blocks whose magics agree on a length are no accident; the library's own probe looks at as many


def is_blank(data: bytes) -> bool:
    """Whether a partition is erased from end to end."""
    return data.count(b"\xff") == len(data)


def check(data: bytes, geometry: Geometry) -> None:
    """Raise NotSpiffs, with what was found and the cure, unless a partition holds a SPIFFS of this geometry.

    As when the library mounts it, one block may lack its magic: power may have failed while it was erased. Where any
    block has its magic, erased ones may lack it: a write of the whole partition was cut off, and they hold nothing.
    """
    pages = Pages(data, geometry)
    marked = [block for block in range(pages.blocks) if pages.is_marked(block)]
    strange = pages.blocks - len(marked) - sum(pages.is_blank(block) for block in range(pages.blocks))
    if not marked or strange > 1:
        other = _other_geometry(data, geometry) or _other_system(data)
        if other is None and marked:
            other = f"a damaged SPIFFS, {strange} of its {pages.blocks} blocks lack their magic"
        raise NotSpiffs(f"found {other or 'neither SPIFFS nor erased flash: other data, or encrypted'}")
    found = parse(data, geometry).found
    if any(file.size for file in found) and all(file.problem for file in found if file.size):
        start = _table_start(pages, {file.header for file in found if file.size})
        if start is not None:
            raise NotSpiffs(
                f"found SPIFFS whose files have {start - NAME_START} bytes of name and metadata, expected "
                f"{geometry.name_length} and {geometry.meta_length}; say name_length and meta_length as in the "
                "firmware's build"
            )


def _other_geometry(data: bytes, geometry: Geometry) -> str | None:
    """What the magics of most blocks agree on, if it is not what is expected."""
    for page_size in (geometry.page_size, *_PAGE_SIZES):
        try:
            tried = replace(geometry, page_size=page_size)
            pages = Pages(data, tried)
        except SpiffsError:
            continue
        magics = {block: pages.marks(block)[0] for block in range(pages.blocks) if not pages.is_blank(block)}
        lengths = Counter((magic ^ tried.magic(0, 0)) + block for block, magic in magics.items())
        blocks, seen = lengths.most_common(1)[0] if lengths else (0, 0)
        if blocks == pages.blocks and seen * 2 > len(magics):
            if page_size == geometry.page_size:
                return None
            return f"SPIFFS with pages of {page_size} bytes, expected {geometry.page_size}; say page_size = {page_size}"
        if seen >= _ENOUGH and seen * 2 > min(blocks, len(magics)):
            return (
                f"a SPIFFS of {blocks * tried.block_size} bytes in a partition of {len(data)}, which firmware would "
                "format anew; let it, or say format = true"
            )
        if sum(magic == tried.magic(0, 0) for magic in magics.values()) * 2 > len(magics):
            return "SPIFFS without CONFIG_SPIFFS_USE_MAGIC_LENGTH, which is not supported; build the firmware with it"
    return None


def _other_system(data: bytes) -> str | None:
    if b"littlefs" in (data[8:16], data[4096 + 8 : 4096 + 16]):
        return 'LittleFS, not SPIFFS; say method = "littlefs"'
    if data[510:512] == b"\x55\xaa" and b"FAT" in data[54:90]:
        return "FAT, not SPIFFS"
    return None


def _table_start(pages: Pages, headers: set[int]) -> int | None:
    """Where in these index headers a table would begin that names the data pages of its file, if anywhere."""
    data: dict[tuple[int, int], set[int]] = {}
    for number, object_id in pages.live():
        own_id, span, flags = PAGE_HEADER.unpack_from(pages.page(number))
        if own_id == object_id and flags & (INDEX | NOT_DELETED) == INDEX | NOT_DELETED:
            data.setdefault((own_id, span), set()).add(number)
    for start in range(NAME_START + 2, pages.geometry.page_size - 2):
        if all(_names_its_data(pages, number, start, data) for number in headers):
            return start
    return None


def _names_its_data(pages: Pages, header: int, start: int, data: dict[tuple[int, int], set[int]]) -> bool:
    page = pages.page(header)
    object_id = PAGE_HEADER.unpack_from(page)[0] & ~INDEX_ID
    count = -(-size_and_type(page)[0] // pages.geometry.content)
    count = min(count, (len(page) - start) // 2)
    numbers = [int.from_bytes(page[start + 2 * span : start + 2 * span + 2], "little") for span in range(count)]
    return all(number in data.get((object_id, span), ()) for span, number in enumerate(numbers))
