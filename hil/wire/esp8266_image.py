"""The image format that the ESP8266's ROM and the Arduino core's eboot load: that of the ESP32 without what came later.

    header (8 bytes)    magic 0xE9, segments, SPI mode, size and frequency, entry point
    segments            load address, length, data
    checksum            XOR of all segment data, seeded 0xEF; padded so that it is the last byte of a 16-byte row

No chip id, no SHA-256. Sources: Espressif's documentation "Firmware Image Format"; esptool, bin_image.py (codes of the
flash sizes, which differ from the ESP32's).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hil.wire.esp_image import (
    FLASH_MODES,
    MAGIC,
    BadImage,
    Flaw,
    Image,
    Segment,
    body_checksum,
    pack_segments,
    unpack_segments,
)

FLASH_SIZES = {512 << 10: 0x0, 256 << 10: 0x1, 1 << 20: 0x2, 2 << 20: 0x3, 4 << 20: 0x4, 8 << 20: 0x8, 16 << 20: 0x9}
MOST_SEGMENTS = 16

_HEADER = struct.Struct("<BBBBI")


def build(segments: Sequence[Segment], *, entry: int, flash_size: int = 4 << 20) -> bytes:
    """The bytes of an image; segment data is padded to 4 bytes. `flash_size` in bytes.

    Raises ValueError for a size or number of segments that the format has no code for.
    """
    if flash_size not in FLASH_SIZES:
        raise ValueError(f"flash size {flash_size} has no code in the image header")
    if not 1 <= len(segments) <= MOST_SEGMENTS:
        raise ValueError(f"an image has 1 to {MOST_SEGMENTS} segments, not {len(segments)}")
    header = _HEADER.pack(MAGIC, len(segments), FLASH_MODES["dio"], FLASH_SIZES[flash_size] << 4, entry)  # at 40 MHz
    return pack_segments(header, segments)


def parse(data: bytes) -> Image:
    """The image at the start of `data` (more may follow); its checksum is verified. Raises BadImage."""
    if len(data) < _HEADER.size:
        raise BadImage(Flaw.TRUNCATED, f"an image header has {_HEADER.size} bytes, only {len(data)} are there")
    magic, count, mode, size_speed, entry = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise BadImage(Flaw.MAGIC, f"an image starts with 0x{MAGIC:02x}, not 0x{magic:02x}", magic, MAGIC)
    if not 1 <= count <= MOST_SEGMENTS:
        raise BadImage(Flaw.SEGMENTS, f"an image has 1 to {MOST_SEGMENTS} segments, not {count}", count, MOST_SEGMENTS)
    segments, position = unpack_segments(data, count, _HEADER.size)
    stored, position = body_checksum(data, segments, position)
    return Image(None, entry, tuple(segments), mode, size_speed, stored, None, position)
