"""Packets of the serial protocol that the ESP32 family's mask ROM and flasher stub speak. Sans-IO, inside SLIP frames.

A request is direction 0x00, command, length of data (2 bytes), checksum (4 bytes, of data commands only), data. A
reply is direction 0x01, the command again, length, value (4 bytes: what READ_REG read), data, and the status at the
end of the data: four bytes from the ROM, two from the stub, of which the first two count (failed or not, reason).
All numbers little-endian. Sources: Espressif's documentation "Serial Protocol" and traces of the mask ROMs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

SYNC_PATTERN = bytes((0x07, 0x07, 0x12, 0x20)) + bytes((0x55,)) * 32
SYNC_VALUE = 0x20120707
"""What the ROM puts into the value field of its SYNC replies; the stub puts 0."""
STUB_GREETING = b"OHAI"
CHECKSUM_SEED = 0xEF

_HEADER = struct.Struct("<BBHI")


class Command(IntEnum):
    """Commands of ROM and stub; those from 0xD0 on are the stub's alone, READ_FLASH_SLOW is the ROM's alone."""

    FLASH_BEGIN = 0x02
    FLASH_DATA = 0x03
    FLASH_END = 0x04
    MEM_BEGIN = 0x05
    MEM_END = 0x06
    MEM_DATA = 0x07
    SYNC = 0x08
    WRITE_REG = 0x09
    READ_REG = 0x0A
    SPI_SET_PARAMS = 0x0B
    SPI_ATTACH = 0x0D
    READ_FLASH_SLOW = 0x0E
    CHANGE_BAUDRATE = 0x0F
    FLASH_DEFL_BEGIN = 0x10
    FLASH_DEFL_DATA = 0x11
    FLASH_DEFL_END = 0x12
    SPI_FLASH_MD5 = 0x13
    GET_SECURITY_INFO = 0x14
    ERASE_FLASH = 0xD0
    ERASE_REGION = 0xD1
    READ_FLASH = 0xD2
    RUN_USER_CODE = 0xD3


class RomError(IntEnum):
    """Second status byte of the ROM, when the first is 1."""

    INVALID_MESSAGE = 0x05
    FAILED_TO_ACT = 0x06
    INVALID_CRC = 0x07
    FLASH_WRITE = 0x08
    FLASH_READ = 0x09
    READ_LENGTH = 0x0A
    DEFLATE = 0x0B


class StubError(IntEnum):
    """First status byte of the stub."""

    BAD_LENGTH = 0xC0
    BAD_CHECKSUM = 0xC1
    BAD_BLOCK_SIZE = 0xC2
    INVALID_COMMAND = 0xC3
    FLASH_OPERATION = 0xC4
    NOT_IN_FLASH_MODE = 0xC6
    INFLATE = 0xC7
    NOT_ENOUGH_DATA = 0xC8
    TOO_MUCH_DATA = 0xC9
    NOT_IMPLEMENTED = 0xFF


class BadPacket(ValueError):
    """Not a request or reply of this protocol."""


@dataclass(frozen=True, slots=True)
class Request:
    """Host to chip. `op` is the raw command byte: a chip answers unknown ones too."""

    op: int
    data: bytes = b""
    checksum: int = 0

    def encode(self) -> bytes:
        """The packet, not yet in a SLIP frame."""
        return _HEADER.pack(0, self.op, len(self.data), self.checksum) + self.data

    @classmethod
    def decode(cls, packet: bytes) -> Request:
        """Raises BadPacket for a packet that is too short, of the wrong direction or of the wrong length."""
        op, checksum, data = _split(packet, 0, "request")
        return cls(op, data, checksum)


@dataclass(frozen=True, slots=True)
class Reply:
    """Chip to host. `data` includes the status bytes at its end."""

    op: int
    value: int = 0
    data: bytes = b""

    def encode(self) -> bytes:
        """The packet, not yet in a SLIP frame."""
        return _HEADER.pack(1, self.op, len(self.data), self.value) + self.data

    @classmethod
    def decode(cls, packet: bytes) -> Reply:
        """Raises BadPacket for a packet that is too short, of the wrong direction or of the wrong length."""
        op, value, data = _split(packet, 1, "reply")
        return cls(op, value, data)


def checksum(data: bytes) -> int:
    """XOR of all bytes, seeded with 0xEF: guards the payload of the data commands."""
    # XOR of eight bytes at a time, then of the eight: bytes one by one would be the slowest step of a flash.
    whole = len(data) // 8 * 8
    folded = 0
    for (word,) in struct.iter_unpack("<Q", data[:whole]):
        folded ^= word
    result = CHECKSUM_SEED
    for byte in folded.to_bytes(8, "little") + data[whole:]:
        result ^= byte
    return result


def _split(packet: bytes, direction: int, kind: str) -> tuple[int, int, bytes]:
    if len(packet) < _HEADER.size:
        raise BadPacket(f"a {kind} has at least {_HEADER.size} bytes, this packet has {len(packet)}")
    found, op, length, word = _HEADER.unpack_from(packet)
    if found != direction:
        raise BadPacket(f"a {kind} starts with {direction:#04x}, this packet with {found:#04x}")
    data = packet[_HEADER.size :]
    if len(data) != length:
        raise BadPacket(f"the {kind} announces {length} bytes of data and carries {len(data)}")
    return op, word, data
