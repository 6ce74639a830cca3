"""What lies in a board's flash and is read back: partition tables, images of the ESP32 family and of the ESP8266.

An input is a byte of plan and the contents. The plan says what they are taken for, and whether sums over them are
mended first: arbitrary bytes have none that fits.

What must hold: nothing but BadTable or BadImage is raised, in one printable line; a table that was read can be built
again; an image is no image any more without its last byte.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from fuzz_reason import check_reason

from hil.wire import esp8266_image, esp_image, partitions

IMAGE = 0x01
MENDED = 0x02
UNHASHED = 0x04
ESP8266 = 0x08


def run(data: bytes) -> None:
    """One input. Raises where it is wrong."""
    if not data:
        return
    plan, contents = data[0], data[1:]
    if plan & ESP8266:
        check_old_image(contents)
    elif plan & IMAGE:
        check_image(mended_image(contents) if plan & MENDED else contents, not plan & UNHASHED)
    else:
        check_table(mended_table(contents) if plan & MENDED else contents)


def check_table(contents: bytes) -> None:
    try:
        table = partitions.parse(contents, 4 << 20)
    except partitions.BadTable as error:
        check_reason(error)
        return
    assert len(table) > 0
    table.ota_slots()
    for partition in table:
        assert 0 < partition.size <= 4 << 20
        assert partition.label in table
    # A label may be empty, or no text; then nothing that is built can be the same.
    if all(p.label.isascii() and p.label for p in table):
        assert list(partitions.parse(partitions.build(table, md5=False), 4 << 20)) == list(table)


def check_image(contents: bytes, verify: bool) -> None:
    try:
        image = esp_image.parse(contents, verify_hash=verify)
    except esp_image.BadImage as error:
        check_reason(error)
        return
    description = image.description
    assert description is None or isinstance(description.project, str)
    assert sum(len(segment.data) for segment in image.segments) < image.length
    if verify:
        assert esp_image.parse(contents[: image.length]) == image
        try:
            esp_image.parse(contents[: image.length - 1])
        except esp_image.BadImage:
            return
        raise AssertionError("understood, though its end is missing")


def check_old_image(contents: bytes) -> None:
    try:
        image = esp8266_image.parse(contents)
    except esp_image.BadImage as error:
        check_reason(error)
        return
    assert esp8266_image.parse(contents[: image.length]) == image
    try:
        esp8266_image.parse(contents[: image.length - 1])
    except esp_image.BadImage:
        return
    raise AssertionError("understood, though its end is missing")


def mended_table(contents: bytes) -> bytes:
    """The table with the right MD5 behind each MD5 mark, and an end."""
    out = bytearray()
    for at in range(0, len(contents) // 32 * 32, 32):
        entry = contents[at : at + 32]
        if entry.startswith(b"\xeb\xeb"):
            entry = b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(out, usedforsecurity=False).digest()
        out += entry
    return bytes(out) + b"\xff" * 32


def mended_image(contents: bytes) -> bytes:
    """The image as far as its segments go, with the right sums behind them."""
    out = bytearray(contents)
    if len(out) < esp_image.HEADER_SIZE:
        return contents
    at = esp_image.HEADER_SIZE
    total = 0xEF
    for _ in range(out[1]):
        if at + 8 > len(out):
            break
        (length,) = struct.unpack_from("<I", out, at + 4)
        length = min(length, len(out) - at - 8)
        struct.pack_into("<I", out, at + 4, length)
        for byte in out[at + 8 : at + 8 + length]:
            total ^= byte
        at += 8 + length
    del out[at:]
    out += bytes(15 - at % 16) + bytes((total,))
    return bytes(out) + hashlib.sha256(out).digest()


def seeds() -> list[bytes]:
    """A table and an image, whole and cut."""
    table = partitions.build(partitions.ARDUINO_DEFAULT)
    empty = struct.pack("<2sBBII16sI", b"\xaa\x50", 1, 2, 0x9000, 0, b"nvs", 0)
    beyond = struct.pack("<2sBBII16sI", b"\xaa\x50", 1, 2, 0x3FF000, 0x2000, b"nvs", 0)
    about = esp_image.AppDescription("demo", "1.0", "v5.1").encode()
    image = esp_image.build("esp32", [esp_image.Segment(0x3F400020, about), esp_image.Segment(1, b"code")], entry=5)
    return [
        bytes((MENDED,)) + table[:256],
        b"\0" + table[: 8 * 32],
        b"\0" + b"\xff" * 64,
        bytes((MENDED,)) + empty,
        bytes((MENDED,)) + beyond,
        bytes((IMAGE,)) + image,
        bytes((IMAGE | MENDED,)) + image,
        bytes((IMAGE | MENDED | UNHASHED,)) + image[:60],
        bytes((IMAGE | MENDED,)) + esp_image.build("esp32c3", [esp_image.Segment(4, b"abcd")], entry=0, hashed=False),
        bytes((ESP8266,)) + esp8266_image.build([esp_image.Segment(0x40201010, b"irom" * 8)], entry=0x40100004),
    ]


WORDS: Final = (b"\xaa\x50", b"\xeb\xeb", b"\xe9", b"\x32\x54\xcd\xab", b"\xff" * 16)
