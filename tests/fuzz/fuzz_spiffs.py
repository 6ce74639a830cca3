"""SPIFFS partitions as they are read back from a board, what merging files into them does, and what a cut-off leaves.

SPIFFS has no sums: an input is a byte that says which partition it begins with, and edits of that. An edit that begins
with an odd byte sets what a page is, in its block's lookup and in its own header: its number, object id, span, flags;
one with an even byte puts bytes anywhere: place (2), how many (1), the bytes.

What must hold: reading never fails; merging ends in SpiffsError or in a partition that has the files, keeps all others
that share nothing with them, and stays as it is when merged once more; going on after a power failure ends likewise.
"""

from __future__ import annotations

import struct
from typing import Final

from fuzz_reason import check_reason

from hil.wire.spiffs import Geometry, SpiffsError, build, merge, overlay, parse
from hil.wire.spiffs.geometry import INDEX_ID, PAGE_HEADER

_SMALL: Final = Geometry(page_size=512, block_size=2048, name_length=16, meta_length=0)
_BLOCKS: Final = 6
_CHANGES: Final = {"/k": b"key " * 100, "/a": b"", "/gone": None}


def _partition(geometry: Geometry, files: dict[str, bytes]) -> bytes:
    return build(_BLOCKS * geometry.block_size, files, geometry)


def _rewritten(geometry: Geometry) -> bytes:
    first = _partition(geometry, {"/a": b"old", "/k": bytes(700), "/wifi": b"ssid" * 80, "/gone": b"x"})
    return merge(first, {"/a": b"new" * 50, "/k": None, "/more": bytes(range(256)) * 9}, geometry)


_USUAL: Final = Geometry()
_BASES: Final = (
    (_USUAL, _partition(_USUAL, {})),
    (_USUAL, _partition(_USUAL, {"/a": b"a", "/k": b"k" * 3000, "/wifi": b"ssid" * 80, "/empty": b""})),
    (_USUAL, _rewritten(_USUAL)),
    (_USUAL, b"\xff" * (_BLOCKS * 4096)),
    (_SMALL, _partition(_SMALL, {"/a": b"a", "/wifi": b"ssid" * 80})),
    (_SMALL, _partition(_SMALL, {"/k": b"k" * 600, "/empty": b""})),
)


def run(data: bytes) -> None:
    """One input. Raises where it is wrong."""
    if not data:
        return
    geometry, base = _BASES[data[0] % len(_BASES)]
    partition = edited(base, geometry, data[1:])
    before = parse(partition, geometry)
    for problem in before.problems:
        check_reason(problem)
    try:
        after = merge(partition, _CHANGES, geometry)
    except SpiffsError as error:
        check_reason(error)
    else:
        check_merged(partition, after, geometry)
    try:
        parse(overlay(base, partition, geometry), geometry)
    except SpiffsError as error:
        check_reason(error)


def check_merged(partition: bytes, after: bytes, geometry: Geometry) -> None:
    """That a merge did what it was asked, and nothing else."""
    assert len(after) == len(partition)
    before, found = parse(partition, geometry), parse(after, geometry)
    for name, content in _CHANGES.items():
        assert found.files.get(name) == content, f"{name} was merged and is {found.files.get(name)!r}"
    assert merge(after, _CHANGES, geometry) == after, "merging once more changes something"
    going = [file for file in before.found if file.name in _CHANGES]
    touched = {file.object_id for file in going} | {page for file in going for page in file.pages}
    for name, file in before.by_name().items():
        if name in _CHANGES or file.content is None or touched & {file.object_id, *file.pages}:
            continue
        kept = found.by_name().get(name)
        assert kept is not None, f"{name} was not to be changed and is gone"
        assert (kept.content, kept.meta, kept.object_id) == (file.content, file.meta, file.object_id), name


def edited(base: bytes, geometry: Geometry, data: bytes) -> bytes:
    """The partition with the edits that an input describes."""
    out = bytearray(base)
    at = 0
    while at + 4 <= len(data):
        if data[at] % 2:
            at += _set_page(out, geometry, data[at + 1 : at + 7])
        else:
            place, count = struct.unpack_from("<HB", data, at + 1)
            put = data[at + 4 : at + 4 + count % 64]
            start = place % len(out)
            out[start : start + len(put)] = put[: len(out) - start]
            at += 4 + len(put)
    return bytes(out)


def _set_page(out: bytearray, geometry: Geometry, said: bytes) -> int:
    page, object_id, kind, span, low, flags = said.ljust(6, b"\xff")
    slot = geometry.slot_of(page % (len(out) // geometry.page_size))
    if slot is not None:
        number = object_id % 32 | (INDEX_ID if kind % 2 else 0) | (low & 0xC0) << 6
        struct.pack_into("<H", out, slot[0] * geometry.block_size + 2 * slot[1], number)
        start = geometry.page_of(*slot) * geometry.page_size
        out[start : start + PAGE_HEADER.size] = PAGE_HEADER.pack(number, span % 8, flags)
    return 7


def seeds() -> list[bytes]:
    """Each partition as it is, and some with a page that is another's, deleted, torn off, or lost its magic."""
    return [
        b"",
        *(bytes((number,)) for number in range(len(_BASES))),
        bytes((1, 1, 2, 1, 0, 0, 0, 0xFC)),
        bytes((1, 1, 5, 2, 1, 0, 0, 0xF8)),
        bytes((2, 1, 3, 1, 1, 0, 0, 0x78)) + bytes((0, 0xFC, 0, 4)) + b"\xff" * 4,
        bytes((2, 0, 0, 1, 63)) + b"\xff" * 63,
        bytes((4, 0, 0xFE, 1, 4)) + bytes(4),
        bytes((5, 0, 8, 2, 5)) + b"\xff\xff\xff\x7f\1",
    ]


WORDS: Final = (b"/a\0", b"/k\0", b"/wifi\0", b"\xff" * 8, bytes((1, 1, 1, 1, 0, 0, 0xF8)), bytes((0, 0, 0, 4)))
