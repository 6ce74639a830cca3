"""SPIFFS, read as the file system of that name reads it, in the geometry of ESP-IDF and arduino-esp32.

Written apart from the harness's own code, on purpose. Sources: SPIFFS's docs/TECH_SPEC and the structures of its
src/spiffs_nucleus.h; ESP-IDF's Kconfig for the geometry. All numbers are little endian, of 16 bits where not stated.

- The partition is blocks of 4096 bytes, a block is 16 pages of 256. A block's first page is its look-up: for each other
  page the id of the object that it belongs to (FFFF free, 0000 deleted, highest bit set: an index page). The look-up's
  last two words are the block's magic and its erase count.
- A page begins with object id, span index and flags (1 byte; a bit that is 0 says yes).
- An object's index page of span 0 is its header: size (4 bytes, at 8), type (1), name (32), metadata (4), and from 49
  on the numbers of its first data pages; in index pages of higher spans the numbers begin at 8. A data page holds 251
  bytes of the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PAGE, BLOCK = 256, 4096
PAGES = BLOCK // PAGE
NAME_LENGTH = 32
META_LENGTH = 4

_MAGIC = 0x20140529
_FREE = 0xFFFF
_INDEX_ID = 0x8000

_HEADER = struct.Struct("<HHB")
_USED, _FINAL, _INDEX, _BEING_DELETED, _DELETED = 0x01, 0x02, 0x04, 0x40, 0x80
_SIZE_AT, _NAME_AT, _NUMBERS_AT = 8, 13, 8
_HEADER_NUMBERS_AT = _NAME_AT + NAME_LENGTH + META_LENGTH
_IN_HEADER = (PAGE - _HEADER_NUMBERS_AT) // 2
_IN_INDEX = (PAGE - _NUMBERS_AT) // 2
_DATA = PAGE - _HEADER.size
_UNDEFINED_SIZE = 0xFFFFFFFF


class SpiffsError(ValueError):
    """The partition holds no sound SPIFFS. One line."""


@dataclass(frozen=True, slots=True)
class _Page:
    number: int
    id: int
    span: int
    flags: int
    content: bytes

    def lacks(self, *flags: int) -> bool:
        """Whether none of these flags is said (all of the bits are 1)."""
        return all(self.flags & flag for flag in flags)

    def says(self, *flags: int) -> bool:
        """Whether all of these flags are said."""
        return not any(self.flags & flag for flag in flags)


def read_file(image: bytes, path: str) -> bytes | None:
    """The content of the file of that name, None if there is none. Raises SpiffsError for a damaged file system."""
    volume = _Volume(image)
    header = volume.find(path)
    return None if header is None else volume.content(header)


class _Volume:
    """A mounted partition."""

    def __init__(self, image: bytes) -> None:
        blocks = len(image) // BLOCK
        if not blocks or len(image) % BLOCK:
            raise SpiffsError(f"{len(image)} bytes, expected blocks of {BLOCK}")
        self._image = image
        wrong = [n for n in range(blocks) if self._word(n * BLOCK + PAGE - 4) != _magic(blocks - n)]
        # One block without its magic is one whose erasing was cut off: mounting erases it, with whatever it holds.
        if len(wrong) > 1:
            found = "the partition is erased" if image.count(0xFF) == len(image) else f"in {len(wrong)} blocks"
            raise SpiffsError(f"no SPIFFS, the magic number is missing ({found}): provision this board")
        self._ids = {
            block * PAGES + 1 + entry: self._word(block * BLOCK + 2 * entry)
            for block in range(blocks)
            if block not in wrong
            for entry in range(PAGES - 1)
        }

    def find(self, name: str) -> _Page | None:
        """The header page of the file of that name."""
        wanted = name.encode()
        for number, id_ in self._ids.items():
            if id_ & _INDEX_ID and id_ != _FREE:
                page = self._page(number)
                stored = page.content[_NAME_AT : _NAME_AT + NAME_LENGTH].split(b"\0", 1)[0]
                if _is_index(page, 0) and page.lacks(_BEING_DELETED) and stored == wanted:
                    return page
        return None

    def content(self, header: _Page) -> bytes:
        """All bytes of the file with that header page."""
        (size,) = struct.unpack_from("<I", header.content, _SIZE_AT)
        if size == _UNDEFINED_SIZE:
            return b""
        if size > len(self._image):
            raise SpiffsError(f"object {header.id & ~_INDEX_ID}: size {size}, more than the partition has")
        out, index = b"", header
        for span in range(-(-size // _DATA)):
            place, at = _place(span)
            if place != index.span:
                index = self._index_page(header.id, place)
            out += self._data(header.id & ~_INDEX_ID, span, struct.unpack_from("<H", index.content, at)[0])
        return out[:size]

    def _index_page(self, id_: int, span: int) -> _Page:
        for number, owner in self._ids.items():
            if owner == id_ and _is_index(page := self._page(number), span):
                return page
        raise SpiffsError(f"object {id_ & ~_INDEX_ID}: its index page {span} is missing")

    def _data(self, id_: int, span: int, number: int) -> bytes:
        where = f"object {id_}, page {span} at {number:#x}"
        if self._ids.get(number) != id_:
            raise SpiffsError(f"{where}: the look-up says it belongs to {self._ids.get(number, 0):#x}")
        page = self._page(number)
        if (page.id, page.span) != (id_, span) or not page.says(_USED, _FINAL) or not page.lacks(_DELETED, _INDEX):
            raise SpiffsError(f"{where}: its header says object {page.id}, page {page.span}, flags {page.flags:#04x}")
        return page.content[_HEADER.size :]

    def _page(self, number: int) -> _Page:
        content = self._image[number * PAGE : (number + 1) * PAGE]
        id_, span, flags = _HEADER.unpack_from(content)
        return _Page(number, id_, span, flags, content)

    def _word(self, at: int) -> int:
        return int.from_bytes(self._image[at : at + 2], "little")


def _is_index(page: _Page, span: int) -> bool:
    return page.span == span and page.says(_USED, _FINAL, _INDEX) and page.lacks(_DELETED)


def _magic(blocks_to_end: int) -> int:
    return (_MAGIC ^ PAGE ^ blocks_to_end) & 0xFFFF


def _place(span: int) -> tuple[int, int]:
    """Which index page holds the number of a data page, and at which byte."""
    if span < _IN_HEADER:
        return 0, _HEADER_NUMBERS_AT + 2 * span
    page, entry = divmod(span - _IN_HEADER, _IN_INDEX)
    return page + 1, _NUMBERS_AT + 2 * entry
