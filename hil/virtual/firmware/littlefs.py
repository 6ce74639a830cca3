"""The firmware's file system: LittleFS version 2, read only.

Written apart from the harness, which writes LittleFS with the project's own library, on purpose: what one of them
misunderstands, the other would notice. Source of every number here: SPEC.md and DESIGN.md of littlefs (disk versions
2.0 and 2.1); what a driver refuses to mount: esp_littlefs with its default configuration.

- The partition is blocks. A directory is a list of metadata pairs: two blocks, of which the one with the newer revision
  (32 bits, little-endian, compared as sequence numbers) counts if its first commit is sound.
- A metadata block: revision, then commits, each entries and a CRC. An entry: a tag of 32 bits (big-endian, xored with
  the tag before it, the first with 0xFFFFFFFF), then its data. A tag: valid bit (0 is valid), type (11 bits: 3 of kind,
  8 of chunk), id (10), length (10; 0x3FF: no data, deleted). The CRC-32 (start 0xFFFFFFFF, not inverted) is of all that
  came since the last one, its own tag included; the lowest bit of its chunk says how the next tag's valid bit is meant.
- Entries replay in order: create and delete move the ids behind them, names and structs say what an id is.
- A small file lies inline in the metadata. A larger one is a list of blocks from its last to its first: block n starts
  with pointers to block n - 2^x for each x for which 2^x divides n; only its first pointer (n - 1) is needed.
- All metadata pairs are threaded by their tails. The xor of all their global states names an entry that was being moved
  when the power failed: it exists twice then, and the named one does not count.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

BLOCK = 4096
"""Bytes of a block, as esp_littlefs has it: one sector."""
NAME_MAX = 64
"""The longest name that the driver is built for: CONFIG_LITTLEFS_OBJ_NAME_LEN. It mounts nothing with longer ones."""

_VERSIONS = (0x0002_0000, 0x0002_0001)
_NOBODY = 0x3FF  # the id of what belongs to no file, the length of what is deleted

# kinds: the upper three bits of a type
_NAME, _STRUCT, _CRC, _TAIL = 0, 2, 5, 6
# whole types
_FILE, _DIRECTORY, _SUPERBLOCK = 0x001, 0x002, 0x0FF
_DIRECTORY_STRUCT, _INLINE, _SKIP_LIST = 0x200, 0x201, 0x202
_CREATE, _DELETE, _FORWARD_CRC = 0x401, 0x4FF, 0x5FF
_HARD_TAIL, _MOVE = 0x601, 0x7FF

Pair = tuple[int, int]
_NO_PAIR: Pair = (0xFFFF_FFFF, 0xFFFF_FFFF)
_ROOT: Pair = (0, 1)


class LittlefsError(ValueError):
    """The file system cannot be mounted, or is damaged; the text is one line."""


@dataclass(slots=True)
class _Entry:
    """What an id of a metadata pair is: type and name, and where its contents are."""

    type: int = 0
    name: str = ""
    struct: int = 0
    data: bytes = b""


@dataclass(slots=True)
class _Metadata:
    """What one metadata pair says."""

    pair: Pair
    entries: list[_Entry] = field(default_factory=list)
    tail: Pair = _NO_PAIR
    tail_is_mine: bool = False  # the next pair belongs to the same directory
    state: bytes = bytes(12)


def read_file(image: bytes, path: str) -> bytes | None:
    """The contents of the file at `path` ("/certs/ca.pem") in a partition; None if there is no such file.

    Raises LittlefsError if the partition holds no LittleFS that the driver would mount, or a damaged one.
    """
    return _FileSystem(image).read(path)


def files(image: bytes) -> dict[str, bytes]:
    """All files of a partition: path to contents. Raises LittlefsError as `read_file` does."""
    return dict(_FileSystem(image).walk())


class _FileSystem:
    """One partition, mounted."""

    def __init__(self, image: bytes) -> None:
        self._image = image
        self._blocks = len(image) // BLOCK
        if self._blocks < 2:
            raise LittlefsError(f"partition of {len(image)} bytes, expected at least 2 blocks of {BLOCK}")
        self._threaded: dict[Pair, _Metadata] = {}
        self._root = self._mount()

    def read(self, path: str) -> bytes | None:
        """See `read_file`."""
        *folders, name = [part for part in path.split("/") if part] or [""]
        where = self._root
        for folder in folders:
            entry = self._find(where, folder)
            if entry is None or entry.type != _DIRECTORY:
                return None
            where = self._folder(entry)
        entry = self._find(where, name)
        return self._contents(entry) if entry is not None and entry.type == _FILE else None

    def walk(self) -> Iterator[tuple[str, bytes]]:
        """Every file below the root: path and contents."""
        waiting = [("", self._root)]
        while waiting:
            above, pair = waiting.pop()
            if above.count("/") > len(self._threaded):
                raise LittlefsError(f"{above}: a directory lies in itself")
            for entry in self._directory(pair):
                if entry.type == _DIRECTORY:
                    waiting.append((f"{above}/{entry.name}", self._folder(entry)))
                elif entry.type == _FILE:
                    yield f"{above}/{entry.name}", self._contents(entry)

    # -- mounting -----------------------------------------------------------------------------------------------------

    def _mount(self) -> Pair:
        """Follow the thread through all pairs; finds the root and what was being moved."""
        root, state, pair = None, bytes(12), _ROOT
        while pair != _NO_PAIR:
            if pair in self._threaded:
                raise LittlefsError(f"the thread of metadata pairs runs in a circle at {pair}")
            metadata = self._threaded[pair] = self._load(pair)
            if metadata.entries and metadata.entries[0].type == _SUPERBLOCK:
                self._check(metadata.entries[0])
                root = pair
            state = bytes(a ^ b for a, b in zip(state, metadata.state, strict=True))
            pair = metadata.tail
        if root is None:
            raise LittlefsError("no superblock: this is not LittleFS, or it is damaged")
        self._finish_move(state)
        return root

    def _check(self, superblock: _Entry) -> None:
        if superblock.name != "littlefs" or superblock.struct != _INLINE or len(superblock.data) != 24:
            raise LittlefsError("the superblock is damaged")
        version, block_size, blocks, longest, _, _ = struct.unpack("<6I", superblock.data)
        if version not in _VERSIONS:
            raise LittlefsError(f"disk version {version >> 16}.{version & 0xFFFF}, expected 2.0 or 2.1")
        if block_size != BLOCK:
            raise LittlefsError(f"blocks of {block_size} bytes, expected {BLOCK}")
        if blocks != self._blocks:
            raise LittlefsError(f"file system of {blocks} blocks in a partition of {self._blocks}")
        if longest > NAME_MAX:
            raise LittlefsError(f"names of up to {longest} bytes, expected at most {NAME_MAX}")

    def _finish_move(self, state: bytes) -> None:
        tag, first, second = struct.unpack("<3I", state)
        if tag >> 20 & 0x7FF != _DELETE:
            return
        number = tag >> 10 & 0x3FF
        for pair, metadata in self._threaded.items():
            if first in pair or second in pair:
                metadata.entries[number : number + 1] = []

    # -- metadata -----------------------------------------------------------------------------------------------------

    def _block(self, number: int) -> bytes:
        if number >= self._blocks:
            raise LittlefsError(f"a pointer to block {number}, there are {self._blocks}")
        return self._image[number * BLOCK : (number + 1) * BLOCK]

    def _load(self, pair: Pair) -> _Metadata:
        blocks = [self._block(number) for number in pair]
        first, second = (int.from_bytes(block[:4], "little") for block in blocks)
        if (second - first) & 0xFFFF_FFFF < 0x8000_0000 and first != second:
            blocks.reverse()
        for block in blocks:
            tags = _committed(block)
            if tags:
                return _replay(pair, tags)
        raise LittlefsError(f"metadata pair {pair}: no sound commit in either block")

    def _directory(self, pair: Pair) -> Iterator[_Entry]:
        seen: set[Pair] = set()
        while True:
            if pair in seen:
                raise LittlefsError(f"a directory runs in a circle at {pair}")
            seen.add(pair)
            metadata = self._threaded.get(pair) or self._load(pair)
            yield from metadata.entries
            if not metadata.tail_is_mine:
                return
            pair = metadata.tail

    def _find(self, pair: Pair, name: str) -> _Entry | None:
        for entry in self._directory(pair):
            if entry.name == name and entry.type in (_FILE, _DIRECTORY):
                return entry
        return None

    def _folder(self, entry: _Entry) -> Pair:
        if entry.struct != _DIRECTORY_STRUCT or len(entry.data) != 8:
            raise LittlefsError(f"directory {entry.name!r} is damaged")
        return _pair(entry.data)

    # -- contents -----------------------------------------------------------------------------------------------------

    def _contents(self, entry: _Entry) -> bytes:
        if entry.struct == _INLINE:
            return entry.data
        if entry.struct != _SKIP_LIST or len(entry.data) != 8:
            raise LittlefsError(f"file {entry.name!r} is damaged")
        head, size = struct.unpack("<2I", entry.data)
        if size > len(self._image):
            raise LittlefsError(f"file {entry.name!r} of {size} bytes in a partition of {len(self._image)}")
        rooms = list(_rooms(size))
        pieces: list[bytes] = []
        numbers: dict[int, int] = {}
        for index in reversed(range(len(rooms))):
            numbers[index] = head
            block = self._block(head)
            start = BLOCK - rooms[index]
            pieces.append(block[start:])
            if index:
                head = int.from_bytes(block[:4], "little")
        self._check_pointers(entry, numbers)
        return b"".join(reversed(pieces))[:size]

    def _check_pointers(self, entry: _Entry, numbers: dict[int, int]) -> None:
        """File contents have no CRC: that all pointers agree is what there is to notice damage by."""
        for index, number in numbers.items():
            count = (BLOCK - _room(index)) // 4
            for power, to in enumerate(struct.unpack_from(f"<{count}I", self._block(number))):
                if to != numbers[index - (1 << power)]:
                    raise LittlefsError(f"file {entry.name!r}: the pointers of block {number} are damaged")


def _room(index: int) -> int:
    """How many bytes of contents the block with this index in a file has."""
    return BLOCK - 4 * (index & -index).bit_length()


def _rooms(size: int) -> Iterator[int]:
    """Those of each block of a file of `size` bytes."""
    index = 0
    while size > 0:
        yield _room(index)
        size -= _room(index)
        index += 1


def _pair(data: bytes) -> Pair:
    """The smaller number first: which of the two counts is a matter of their revisions alone."""
    first, second = sorted(struct.unpack("<2I", data))
    return first, second


def _crc(data: bytes, crc: int = 0xFFFF_FFFF) -> int:
    return zlib.crc32(data, crc ^ 0xFFFF_FFFF) ^ 0xFFFF_FFFF


def _committed(block: bytes) -> list[tuple[int, int, bytes]]:
    """The entries of a metadata block up to its last sound CRC: type, id, data. Those without data are empty."""
    committed: list[tuple[int, int, bytes]] = []
    pending: list[tuple[int, int, bytes]] = []
    crc, at, before = _crc(block[:4]), 4, 0xFFFF_FFFF
    while at + 4 <= BLOCK:
        raw = block[at : at + 4]
        tag = int.from_bytes(raw, "big") ^ before
        kind, who, length = tag >> 20 & 0x7FF, tag >> 10 & 0x3FF, tag & 0x3FF
        size = 0 if length == _NOBODY else length
        end = at + 4 + size
        if tag >> 31 or end > BLOCK:
            break
        data = block[at + 4 : end]
        if kind >> 8 == _CRC and kind != _FORWARD_CRC:
            if size < 4 or _crc(raw, crc) != int.from_bytes(data[:4], "little"):
                break
            committed += [*pending, (kind, who, b"")]  # the CRC itself, so that an empty commit is one
            pending, crc = [], 0xFFFF_FFFF
            tag ^= (kind & 1) << 31
        else:
            crc = _crc(raw + data, crc)
            pending.append((kind, who, data))
        at, before = end, tag
    return committed


def _replay(pair: Pair, tags: list[tuple[int, int, bytes]]) -> _Metadata:
    metadata = _Metadata(pair)
    for kind, who, data in tags:
        if who == _NOBODY:
            _about_pair(metadata, kind, data)
        elif kind == _CREATE:
            metadata.entries.insert(who, _Entry())
        elif kind == _DELETE:
            metadata.entries[who : who + 1] = []
        elif kind >> 8 in (_NAME, _STRUCT):
            while len(metadata.entries) <= who:  # after a compaction, nothing is created: it is just there
                metadata.entries.append(_Entry())
            entry = metadata.entries[who]
            if kind >> 8 == _NAME:
                entry.type, entry.name = kind, data.decode("utf-8", "replace")
            else:
                entry.struct, entry.data = kind, data
    return metadata


def _about_pair(metadata: _Metadata, kind: int, data: bytes) -> None:
    if kind >> 8 == _TAIL and len(data) == 8:
        metadata.tail, metadata.tail_is_mine = _pair(data), kind == _HARD_TAIL
    elif kind == _MOVE and len(data) == 12:
        metadata.state = data
