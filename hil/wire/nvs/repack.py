"""Laying out everything in a partition anew: the last resort when collecting garbage page by page finds no room."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from hil.wire.nvs.page import ENTRIES, ENTRY_SIZE, compose
from hil.wire.nvs.values import NvsFull, Type

CHUNKS = 127  # most chunks of one blob: numbers 0 to 126, or 128 to 254


def pack(kept: list[bytes], new: list[bytes], index: int, blobs: Mapping[str, bytes], pages: int) -> list[list[bytes]]:
    """Which raw items go to which page: the largest first, and blobs, which can be cut anywhere, into what is left.

    `pages` counts the usable ones, the spare page left out; `blobs` belong to namespace number `index`. Raises NvsFull,
    with both figures, if it cannot be done.
    """
    room = pages * ENTRIES
    needed = entries(new) + sum(2 + -(-len(data) // ENTRY_SIZE) for data in blobs.values())
    bins = [_Bin() for _ in range(pages)]
    fits = all(_place(bins, raw) for raw in sorted([*kept, *new], key=len, reverse=True))
    if not fits or not all(_place_blob(bins, index, key, data) for key, data in blobs.items()):
        free = max(0, room - entries(kept))
        raise NvsFull(
            f"does not fit: needs {needed} entries, {free} free of {room} ({ENTRY_SIZE} bytes each, a string in one "
            "piece); make the nvs partition larger or the values shorter"
        )
    return [b.items for b in bins if b.items]


def blob_index(index: int, key: str, size: int, count: int, start: int) -> bytes:
    """The item that makes `count` chunks, numbered from `start`, a blob of `size` bytes."""
    return compose(index, Type.BLOB, key, struct.pack("<IBBH", size, count, start, 0xFFFF))


def entries(items: Iterable[bytes]) -> int:
    """How many entries the raw items take."""
    return sum(len(raw) // ENTRY_SIZE for raw in items)


class _Bin:
    """A page's worth of entries."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.room = ENTRIES

    def add(self, raw: bytes) -> None:
        self.items.append(raw)
        self.room -= len(raw) // ENTRY_SIZE


def _place(bins: list[_Bin], raw: bytes) -> bool:
    for candidate in bins:
        if candidate.room >= len(raw) // ENTRY_SIZE:
            candidate.add(raw)
            return True
    return False


def _place_blob(bins: list[_Bin], index: int, key: str, data: bytes) -> bool:
    rest, count = data, 0
    for candidate in sorted(bins, key=lambda b: -b.room):
        if candidate.room >= 2 and (rest or count == 0) and count < CHUNKS:
            size = (candidate.room - 1) * ENTRY_SIZE
            candidate.add(compose(index, Type.BLOB_DATA, key, b"", rest[:size], count))
            rest = rest[size:]
            count += 1
    return not rest and count > 0 and _place(bins, blob_index(index, key, len(data), count, 0))
