"""How a SPIFFS partition is divided, and what its pages look like.

    block     one erase unit; its first page is the lookup, the others hold data or an index
    lookup    an object id for each other page of the block: 0xFFFF free, 0 deleted, 0x8000 set for an index page; in
              the last four bytes of the page the block's magic and its erase count
    page      object id, span (which page of its kind in the object), flags; an object's id is 1 to 0x7FFE
    data      content behind these five bytes, 0xFF after the end of the file
    index     numbers of the pages that hold the content; span 0, the header, has size, type, name and metadata first

All numbers are little-endian, as on every ESP32. Flags are bits that go from 1 to 0. Within a block the free pages are
the last ones: a free entry ends the library's scans.

Sources: SPIFFS' docs/TECH_SPEC and the comments of its spiffs_nucleus.h; ESP-IDF's components/spiffs (Kconfig,
spiffsgen.py).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

FREE = 0xFFFF  # in a lookup: the page is erased
DELETED = 0x0000  # in a lookup: the page waits for its block to be erased
INDEX_ID = 0x8000  # set in the object id of an index page, in the lookup and in the page
HIGHEST_ID = 0x7FFE
NO_COUNT = 0xFFFF  # erase count of a block that no library has erased yet
COUNT_LIMIT = 0x8000  # erase counts run from 0 up to this, and begin again
UNKNOWN_SIZE = 0xFFFFFFFF  # of a file that is empty so far: the library writes the size over it later
TYPE_FILE = 1

USED = 0x01  # 0: written to
FINAL = 0x02  # 0: written to the end
INDEX = 0x04  # 0: an index page
BEING_DELETED = 0x40  # 0, in an index header: the file is about to go
NOT_DELETED = 0x80  # 0: deleted

DATA_FLAGS = 0xFF & ~(USED | FINAL)
INDEX_FLAGS = 0xFF & ~(USED | FINAL | INDEX)

PAGE_HEADER = struct.Struct("<HHB")  # object id, span, flags
INDEX_START = 8  # in an index page, bytes from its start: the page header, filled up to a multiple of four
_SIZE_AND_TYPE = struct.Struct("<IB")
NAME_START = INDEX_START + _SIZE_AND_TYPE.size

_MAGIC = 0x0529  # low half of the library's 0x20140529, as object ids have 16 bits
#: Blocks that the library wants erased before it writes: one to go on with, one to collect garbage into.
SPARE_BLOCKS = 2


class SpiffsError(ValueError):
    """Something that SPIFFS cannot hold, or a partition that cannot be worked on. The text says what, and the cure."""


class NotSpiffs(SpiffsError):
    """The partition holds something, but not a SPIFFS of this geometry."""


class SpiffsFull(SpiffsError):
    """The files do not fit the partition."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """The settings of a firmware's build that shape its file system, in bytes; as ESP-IDF and Arduino have them.

    `name_length` counts the NUL (CONFIG_SPIFFS_OBJ_NAME_LEN), `meta_length` is CONFIG_SPIFFS_META_LENGTH, `page_size`
    CONFIG_SPIFFS_PAGE_SIZE. The magic is on, with the length, and index tables are not aligned. Raises SpiffsError for
    sizes that leave no room for an index.
    """

    page_size: int = 256
    block_size: int = 4096
    name_length: int = 32
    meta_length: int = 4

    def __post_init__(self) -> None:
        # The library asks for 64 bytes of a page besides name and metadata, and for four pages in a block.
        if self.block_size % self.page_size or self.block_size < 4 * self.page_size:
            raise SpiffsError(f"pages of {self.page_size} bytes do not go into blocks of {self.block_size}")
        most = self.page_size - 64
        if self.name_length < 2 or self.meta_length < 0 or self.name_length + self.meta_length > most:
            raise SpiffsError(
                f"names of {self.name_length} and metadata of {self.meta_length} bytes do not go into pages of "
                f"{self.page_size}: together at most {most}"
            )

    @property
    def pages(self) -> int:
        """Pages of a block, its lookup included."""
        return self.block_size // self.page_size

    @property
    def lookups(self) -> int:
        """Pages of a block that are its lookup."""
        return max(1, self.pages * 2 // self.page_size)

    @property
    def slots(self) -> int:
        """Pages of a block that can hold something."""
        return self.pages - self.lookups

    @property
    def content(self) -> int:
        """Bytes of a file that go into one page."""
        return self.page_size - PAGE_HEADER.size

    @property
    def table_start(self) -> int:
        """Where the page numbers begin in an index header, in bytes."""
        return NAME_START + self.name_length + self.meta_length

    @property
    def first_entries(self) -> int:
        """Page numbers that an index header holds."""
        return (self.page_size - self.table_start) // 2

    @property
    def more_entries(self) -> int:
        """Page numbers that any further index page holds."""
        return (self.page_size - INDEX_START) // 2

    def magic(self, block: int, blocks: int) -> int:
        """What marks block number `block` of `blocks` as SPIFFS."""
        return _MAGIC ^ self.page_size ^ (blocks - block)

    def page_of(self, block: int, slot: int) -> int:
        """The page number of a block's slot."""
        return block * self.pages + self.lookups + slot

    def slot_of(self, page: int) -> tuple[int, int] | None:
        """The block and the slot of a page number; None if that page is a lookup."""
        block, within = divmod(page, self.pages)
        return None if within < self.lookups else (block, within - self.lookups)

    def index_pages(self, data_pages: int) -> int:
        """How many index pages a file of so many data pages has."""
        return 1 + max(0, -(-(data_pages - self.first_entries) // self.more_entries))

    def needs(self, size: int) -> int:
        """How many pages a file of `size` bytes takes."""
        data_pages = -(-size // self.content)
        return data_pages + self.index_pages(data_pages)

    def blocks(self, size: int) -> int:
        """How many blocks a partition of `size` bytes has. Raises SpiffsError if it is no whole number, or too many."""
        if not size or size % self.block_size:
            raise SpiffsError(f"a partition of {size} bytes is not made of whole blocks of {self.block_size}")
        if size // self.page_size > 0xFFFF:
            raise SpiffsError(f"a partition of {size} bytes has more pages of {self.page_size} bytes than 65,535")
        return size // self.block_size

    def check_name(self, name: str) -> None:
        """Raise SpiffsError unless a file can be called `name`."""
        size = len(name.encode("utf-8", "surrogateescape"))
        if not name or "\0" in name:
            raise SpiffsError(f"name {name!r}: SPIFFS takes one or more characters, none of them NUL")
        if size >= self.name_length:
            raise SpiffsError(
                f"name {name!r} has {size} bytes, SPIFFS takes {self.name_length - 1} (CONFIG_SPIFFS_OBJ_NAME_LEN "
                f"{self.name_length}, the NUL counts); shorten it"
            )


def data_page(geometry: Geometry, object_id: int, span: int, content: bytes) -> bytes:
    """A page that holds `content`."""
    return (PAGE_HEADER.pack(object_id, span, DATA_FLAGS) + content).ljust(geometry.page_size, b"\xff")


def index_page(geometry: Geometry, object_id: int, span: int, table: list[int], header: bytes = b"") -> bytes:
    """An index page; `header` is what comes before the table if `span` is 0."""
    head = PAGE_HEADER.pack(object_id | INDEX_ID, span, INDEX_FLAGS).ljust(INDEX_START, b"\xff") + header
    return (head + struct.pack(f"<{len(table)}H", *table)).ljust(geometry.page_size, b"\xff")


def index_header(geometry: Geometry, name: str, size: int, meta: bytes) -> bytes:
    """What an index header has before its table."""
    field = name.encode("utf-8", "surrogateescape").ljust(geometry.name_length, b"\0")
    return _SIZE_AND_TYPE.pack(size or UNKNOWN_SIZE, TYPE_FILE) + field + meta


def size_and_type(page: bytes) -> tuple[int, int]:
    """Size in bytes and type of an object, as its index header says."""
    size, kind = _SIZE_AND_TYPE.unpack_from(page, INDEX_START)
    return (0 if size == UNKNOWN_SIZE else size), kind
