"""The image format that the ESP32 family's ROM and bootloader load: build it, read it, say what is wrong with it.

    header (8 bytes)    magic 0xE9, segments, SPI mode, size and frequency, entry point
    extended (16)       WP pin, drive strengths, chip id, revisions, whether a SHA-256 is appended
    segments            load address, length, data
    checksum            XOR of all segment data, seeded 0xEF; padded so that it is the last byte of a 16-byte row
    SHA-256             of everything before it, if the header says so

An app begins its first segment with a 256-byte app descriptor. Source: Espressif's documentation "Firmware Image
Format" and "App Image Format". All numbers little-endian.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hil.wire.esp_loader import checksum as xor_checksum

MAGIC = 0xE9
DESCRIPTION_MAGIC = 0xABCD5432
CHIP_IDS = {
    "esp32": 0,
    "esp32s2": 2,
    "esp32c3": 5,
    "esp32s3": 9,
    "esp32c2": 12,
    "esp32c6": 13,
    "esp32h2": 16,
    "esp32p4": 18,
    "esp32c61": 20,
    "esp32c5": 23,
}
"""Source: esptool's IMAGE_CHIP_ID of each chip. The ESP8266's images have none (hil.wire.esp8266_image)."""
FASTEST = {"esp32c6": 0x0}
"""Code of the usual flash frequency where it is not 0xF: 80 MHz, on the C2 60, on the H2 48 (esptool)."""
FLASH_MODES = {"qio": 0, "qout": 1, "dio": 2, "dout": 3}
FLASH_SIZES = {1 << 20: 0, 2 << 20: 1, 4 << 20: 2, 8 << 20: 3, 16 << 20: 4}
MOST_SEGMENTS = 16

_HEADER = struct.Struct("<BBBBIB3sHBHH4sB")
_SEGMENT = struct.Struct("<II")
_DESCRIPTION = struct.Struct("<II8s32s32s16s16s32s32sHHB3s72s")
HEADER_SIZE = _HEADER.size
SEGMENT_HEADER_SIZE = _SEGMENT.size
DESCRIPTION_SIZE = _DESCRIPTION.size


class Flaw(Enum):
    """What can be wrong with an image, in the order in which it is noticed."""

    MAGIC = "wrong first byte"
    SEGMENTS = "impossible number of segments"
    TRUNCATED = "ends too early"
    CHECKSUM = "wrong checksum"
    HASH = "wrong SHA-256"


class BadImage(ValueError):
    """Not an image that a chip would load. `flaw` says why; `found` and `expected` are numbers, if it has any."""

    def __init__(self, flaw: Flaw, message: str, found: int = 0, expected: int = 0) -> None:
        super().__init__(message)
        self.flaw = flaw
        self.found = found
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of an image: `address` in the chip's memory, `offset` of its data from the image's start, `data`."""

    address: int
    data: bytes
    offset: int = 0


@dataclass(frozen=True, slots=True)
class AppDescription:
    """The app's own account of itself, as the bootloader and `esptool image-info` show it."""

    project: str
    version: str
    idf_version: str = ""
    date: str = ""
    time: str = ""
    elf_sha256: bytes = bytes(32)
    secure_version: int = 0

    def encode(self) -> bytes:
        """256 bytes. Raises ValueError for a text that is too long for its field."""
        return _DESCRIPTION.pack(
            DESCRIPTION_MAGIC,
            self.secure_version,
            bytes(8),
            _text(self.version, 32, "version"),
            _text(self.project, 32, "project"),
            _text(self.time, 16, "time"),
            _text(self.date, 16, "date"),
            _text(self.idf_version, 32, "IDF version"),
            self.elf_sha256,
            0,
            0xFFFF,
            16,  # MMU pages of 2**16 bytes
            bytes(3),
            bytes(72),
        )

    @classmethod
    def decode(cls, data: bytes) -> AppDescription | None:
        """The description at the start of an app's first segment, or None if there is none."""
        if len(data) < DESCRIPTION_SIZE:
            return None
        magic, secure, _, version, project, time, date, idf, sha, *_ = _DESCRIPTION.unpack_from(data)
        if magic != DESCRIPTION_MAGIC:
            return None
        return cls(_word(project), _word(version), _word(idf), _word(date), _word(time), sha, secure)


@dataclass(frozen=True, slots=True)
class Image:
    """A whole image. `length` counts every byte up to and including checksum and SHA-256.

    `chip_id` is None for one of the ESP8266, whose format has no place for it.
    """

    chip_id: int | None
    entry: int
    segments: tuple[Segment, ...]
    flash_mode: int = FLASH_MODES["dio"]
    flash_size_and_speed: int = 0x20
    checksum: int = 0
    sha256: bytes | None = None
    length: int = 0

    @property
    def description(self) -> AppDescription | None:
        """The app descriptor, if the first segment starts with one (an app's does, a bootloader's does not)."""
        return AppDescription.decode(self.segments[0].data) if self.segments else None


def build(
    chip: str,
    segments: list[Segment],
    *,
    entry: int,
    flash_mode: str = "dio",
    flash_size: int = 4 << 20,
    hashed: bool = True,
) -> bytes:
    """The bytes of an image for `chip` ('esp32', 'esp32s3', ...); segment data is padded to 4 bytes.

    `flash_size` in bytes. Raises ValueError for a chip, mode, size or number of segments that the format has no
    code for.
    """
    if chip not in CHIP_IDS:
        raise ValueError(f"chip {chip!r} is not known; known: {', '.join(CHIP_IDS)}")
    if flash_mode not in FLASH_MODES or flash_size not in FLASH_SIZES:
        raise ValueError(f"flash mode {flash_mode!r} and size {flash_size} have no code in the image header")
    if not 1 <= len(segments) <= MOST_SEGMENTS:
        raise ValueError(f"an image has 1 to {MOST_SEGMENTS} segments, not {len(segments)}")
    header = _HEADER.pack(
        MAGIC,
        len(segments),
        FLASH_MODES[flash_mode],
        FLASH_SIZES[flash_size] << 4 | FASTEST.get(chip, 0xF),
        entry,
        0xEE,  # WP pin: not used
        bytes(3),
        CHIP_IDS[chip],
        0,
        0,
        0xFFFF,  # any revision
        bytes(4),
        int(hashed),
    )
    out = pack_segments(header, segments)
    return out + hashlib.sha256(out).digest() if hashed else out


def pack_segments(header: bytes, segments: Sequence[Segment]) -> bytes:
    """`header`, the segments with their data padded to 4 bytes, padding, and the checksum."""
    out = bytearray(header)
    body = bytearray()
    for segment in segments:
        data = segment.data + bytes(-len(segment.data) % 4)
        out += _SEGMENT.pack(segment.address, len(data)) + data
        body += data
    out += bytes(15 - len(out) % 16)
    out.append(xor_checksum(bytes(body)))
    return bytes(out)


def parse(data: bytes, *, verify_hash: bool = True) -> Image:
    """The image at the start of `data` (more may follow); checksum and SHA-256 are verified.

    `verify_hash=False` leaves the SHA-256 unread, as the mask ROM does that loads a bootloader. Raises BadImage.
    """
    if len(data) < HEADER_SIZE:
        raise BadImage(Flaw.TRUNCATED, f"an image header has {HEADER_SIZE} bytes, only {len(data)} are there")
    magic, count, mode, size_speed, entry, _, _, chip_id, _, _, _, _, hashed = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise BadImage(Flaw.MAGIC, f"an image starts with 0x{MAGIC:02x}, not 0x{magic:02x}", magic, MAGIC)
    if not 1 <= count <= MOST_SEGMENTS:
        raise BadImage(Flaw.SEGMENTS, f"an image has 1 to {MOST_SEGMENTS} segments, not {count}", count, MOST_SEGMENTS)
    segments, position = unpack_segments(data, count, HEADER_SIZE)
    stored, position = body_checksum(data, segments, position)
    digest = _digest(data, position) if hashed and verify_hash else None
    length = position + (32 if hashed else 0)
    return Image(chip_id, entry, tuple(segments), mode, size_speed, stored, digest, length)


def body_checksum(data: bytes, segments: Sequence[Segment], position: int) -> tuple[int, int]:
    """The checksum behind segments that end at `position`, and where the image goes on. Raises BadImage."""
    position += 15 - position % 16
    if position >= len(data):
        raise BadImage(Flaw.TRUNCATED, f"the image ends before its checksum at 0x{position:x}")
    stored, calculated = data[position], _checksum_of(segments)
    if stored != calculated:
        message = f"checksum: calculated 0x{calculated:02x}, the image says 0x{stored:02x}"
        raise BadImage(Flaw.CHECKSUM, message, stored, calculated)
    return stored, position + 1


def unpack_segments(data: bytes, count: int, position: int) -> tuple[list[Segment], int]:
    """`count` segments from `position` on, and where they end. Raises BadImage."""
    segments = []
    for number in range(count):
        if position + _SEGMENT.size > len(data):
            raise BadImage(Flaw.TRUNCATED, f"the image ends before the header of segment {number}")
        address, length = _SEGMENT.unpack_from(data, position)
        position += _SEGMENT.size
        if position + length > len(data):
            message = f"segment {number} claims {length} bytes at 0x{position:x}, the image ends at 0x{len(data):x}"
            raise BadImage(Flaw.TRUNCATED, message, len(data), position + length)
        segments.append(Segment(address, bytes(data[position : position + length]), position))
        position += length
    return segments, position


def _digest(data: bytes, position: int) -> bytes:
    stored = bytes(data[position : position + 32])
    if len(stored) < 32:
        raise BadImage(Flaw.TRUNCATED, f"the image ends before its SHA-256 at 0x{position:x}")
    if stored != hashlib.sha256(data[:position]).digest():
        raise BadImage(Flaw.HASH, "the image's SHA-256 does not fit its contents")
    return stored


def _checksum_of(segments: Sequence[Segment]) -> int:
    result = 0xEF
    for segment in segments:
        result ^= xor_checksum(segment.data) ^ 0xEF
    return result


def _text(text: str, room: int, what: str) -> bytes:
    data = text.encode()
    if len(data) >= room:
        raise ValueError(f"the {what} {text!r} has {len(data)} bytes; the app descriptor has room for {room - 1}")
    return data.ljust(room, b"\0")


def _word(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
