"""LittleFS partitions as they are read back from a board: what the firmware makes of them, and what provisioning does.

An input is a byte that says which partition it begins with, a byte of plan, and edits. Tags are chained by xor and
commits have sums, so an edit may change one tag with the next one following suit (an odd first byte: block, number of
the tag, four bytes to xor with), or put bytes anywhere (an even one: place (2), how many (1), the bytes); the plan says
whether the sums are mended afterwards.

What must hold: the firmware's reader ends in LittlefsError or in files that fit the partition; provisioning ends in
ProvisionError, with nothing written, or in a partition in which the firmware finds the new file and all its old ones.
The two share no code: one is the project's own library, the other was written apart. The library runs in a process of
its own, which takes a tenth of a second: one plan in eight has it.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from fuzz_reason import check_reason
from littlefs import LittleFS

from hil.provision import ProvisionError
from hil.provision.littlefs import Littlefs
from hil.provision.partition import PartitionAccess
from hil.virtual.firmware.littlefs import LittlefsError, files
from hil.wire import partitions

_BLOCK: Final = 4096
_BLOCKS: Final = 16
_MENDED: Final = 0x01
_MERGED: Final = 0x02
_TABLE: Final = partitions.build(
    partitions.Table([partitions.Partition("files", partitions.TYPE_DATA, partitions.DATA_LITTLEFS, 0x10000, 0x10000)])
)
_CHANGES: Final = {"/certs/new.pem": ("string", "new " * 300), "/a": ("string", "a")}


def run(data: bytes) -> None:
    """One input. Raises where it is wrong."""
    if len(data) < 2:
        return
    image = edited(_bases()[data[0] % len(_bases())], data[2:], mended=bool(data[1] & _MENDED))
    before = read(image)
    if data[1] & 0x0E == _MERGED:
        check_provisioned(image, before)


def read(image: bytes) -> Mapping[str, bytes] | None:
    """What the firmware finds; None if it does not mount, or finds damage."""
    try:
        found = files(image)
    except LittlefsError as error:
        check_reason(error)
        return None
    assert all(len(contents) <= len(image) for contents in found.values())
    return found


def check_provisioned(image: bytes, before: Mapping[str, bytes] | None) -> None:
    """That provisioning says no and writes nothing, or does what it was asked and nothing else."""
    flash = _Flash(image)
    with tempfile.TemporaryDirectory() as folder:
        try:
            Littlefs(PartitionAccess(flash, "board", Path(folder))).apply(_CHANGES)
        except ProvisionError as error:
            check_reason(error)
            assert not flash.written, "refused after something was written"
            return
    after = read(bytes(flash.image))
    if before is None:
        return  # damage that the library overlooks, or need not look at
    assert after is not None, "the firmware cannot read any more what it could before"
    wanted = {path: text.encode() for path, (_, text) in _CHANGES.items()}
    for path, contents in {**before, **wanted}.items():
        assert after.get(path) == contents, f"{path} is another"


class _Flash:
    def __init__(self, image: bytes) -> None:
        self.image = bytearray(image)
        self.written = False

    def read(self, offset: int, size: int) -> bytes:
        if offset < 0x10000:
            return _TABLE[offset - 0x8000 :][:size].ljust(size, b"\xff")
        return bytes(self.image[offset - 0x10000 :][:size])

    def write(self, offset: int, data: bytes) -> None:
        self.written = True
        self.image[offset - 0x10000 : offset - 0x10000 + len(data)] = data


@cache
def _bases() -> tuple[bytes, ...]:
    """Empty; files inline and in lists of blocks; a directory in a directory, renamed; many commits; erased."""
    empty = LittleFS(block_size=_BLOCK, block_count=_BLOCKS, name_max=64)
    some = LittleFS(block_size=_BLOCK, block_count=_BLOCKS, name_max=64)
    _put(some, {"/a": b"inline", "/wifi": b"ssid" * 900, "/long": bytes(range(256)) * 40})
    deep = LittleFS(block_size=_BLOCK, block_count=_BLOCKS, name_max=64)
    deep.makedirs("/certs/old")
    _put(deep, {"/certs/ca.pem": b"ca" * 400, "/certs/old/ca.pem": b"old" * 300, "/a": b"x"})
    deep.rename("/certs/old/ca.pem", "/certs/before.pem")
    busy = LittleFS(block_size=_BLOCK, block_count=_BLOCKS, name_max=64)
    for number in range(40):
        _put(busy, {"/counter": b"%d" % number, f"/f{number % 5}": bytes(number)})
    return (*(bytes(system.context.buffer) for system in (empty, some, deep, busy)), b"\xff" * (_BLOCK * _BLOCKS))


def _put(system: LittleFS, contents: Mapping[str, bytes]) -> None:
    for path, data in contents.items():
        with system.open(path, "wb") as file:
            file.write(data)


def edited(base: bytes, data: bytes, *, mended: bool) -> bytes:
    """The partition with the edits that an input describes."""
    out = bytearray(base)
    at = 0
    while at + 4 <= len(data):
        if data[at] % 2:
            block, number = data[at + 1] % _BLOCKS, data[at + 2]
            _change_tag(out, block * _BLOCK, number, data[at + 3 : at + 7].ljust(4, b"\0"))
            at += 7
        else:
            place, count = struct.unpack_from("<HB", data, at + 1)
            put = data[at + 4 : at + 4 + count % 64]
            out[place : place + len(put)] = put[: len(out) - place]
            at += 4 + len(put)
    if mended:
        for start in range(0, len(out), _BLOCK):
            _mend(out, start)
    return bytes(out)


def _tags(out: bytes | bytearray, start: int) -> list[tuple[int, int]]:
    """Where each tag of a metadata block lies, and what it says; up to the first that is none."""
    found = []
    at, before = start + 4, 0xFFFFFFFF
    while at + 4 <= start + _BLOCK:
        tag = int.from_bytes(out[at : at + 4], "big") ^ before
        size = 0 if tag & 0x3FF == 0x3FF else tag & 0x3FF
        if tag >> 31 or at + 4 + size > start + _BLOCK:
            break
        found.append((at, tag))
        if tag >> 28 == 5 and tag >> 20 & 0x7FF != 0x5FF:
            tag ^= (tag >> 20 & 1) << 31
        at, before = at + 4 + size, tag
    return found


def _change_tag(out: bytearray, start: int, number: int, mask: bytes) -> None:
    """Change one tag; the next one as it lies in flash follows suit, so that it says what it said."""
    tags = _tags(out, start)
    if not tags:
        return
    number %= len(tags)
    for at, _ in tags[number : number + 2]:
        out[at : at + 4] = bytes(a ^ b for a, b in zip(out[at : at + 4], mask, strict=True))


def _mend(out: bytearray, start: int) -> None:
    """The right sum in each CRC tag of a block, if it is one of metadata."""
    crc = zlib.crc32(out[start : start + 4])
    for at, tag in _tags(out, start):
        size = 0 if tag & 0x3FF == 0x3FF else tag & 0x3FF
        if tag >> 28 == 5 and tag >> 20 & 0x7FF != 0x5FF:
            if size >= 4:
                crc = zlib.crc32(out[at : at + 4], crc)
                struct.pack_into("<I", out, at + 4, crc ^ 0xFFFFFFFF)
            crc = 0
        else:
            crc = zlib.crc32(out[at : at + 4 + size], crc)


def seeds() -> list[bytes]:
    """Each partition as it is, and with a tag, a pointer, a sum or a name that is another."""
    plain = [bytes((number, plan)) for number in range(5) for plan in (0, _MERGED)]
    return [
        b"",
        *plain,
        bytes((1, _MENDED, 1, 0, 3, 0, 0, 0, 1)),
        bytes((2, _MENDED, 1, 0, 5, 0x00, 0x10, 0, 0)),
        bytes((2, _MENDED, 1, 1, 2, 0, 0, 4, 0)),
        bytes((1, _MENDED, 0, 0x20, 0, 4)) + b"\2\0\0\0",
        bytes((1, _MERGED, 1, 1, 2, 0, 0, 4, 0)),
        bytes((3, 0, 0, 0x10, 0x10, 2)) + b"\0\0",
        bytes((3, _MERGED, 0, 0, 0, 8)) + bytes(8),
    ]


WORDS: Final = (b"\0\0\0\0\1\0\0\0", b"littlefs", b"\xff" * 8, b"\2\0\0\0\3\0\0\0", bytes((1, 0, 3, 0, 0x20, 0, 0)))
