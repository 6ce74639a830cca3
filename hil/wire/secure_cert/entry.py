"""One entry of the partition, as it lies in flash. All numbers little-endian.

    header (12 bytes)   magic 0xBA5EBA11 (4), flags (1), reserved (3), type (1), subtype (1), length of the data (2)
    data                and zeros up to a multiple of 16 bytes, which encrypted flash is written in
    footer              CRC-32 of header, data and zeros (4)

The CRC is that of zlib, started with 0xFFFFFFFF. Flags say where a private key really is: bits 7 and 6 are 10 if it is
encrypted with a key of the chip's HMAC peripheral, 01 if it is derived from one; bits 5 to 3 are 001 if it lies in
eFuse. Source: format.md and esp_secure_cert_tlv_private.h of Espressif's esp_secure_cert_mgr 2.6, and
esp-secure-cert-tool 2.6.1.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from hil.wire.secure_cert.names import name_of

MAGIC = 0xBA5EBA11
ALIGNMENT = 16
MOST_DATA = 0xFFFF

HEADER = struct.Struct("<IB3sBBH")
FOOTER = struct.Struct("<I")


class SecureCertError(ValueError):
    """A partition that cannot be worked on, or something that it cannot hold. One line: what was found, the cure."""


class Damaged(SecureCertError):
    """What lies there is neither erased nor whole."""


class Legacy(SecureCertError):
    """A format from before the one of today."""


class Full(SecureCertError):
    """The entries do not fit."""


class Protected(SecureCertError):
    """An entry that cannot be changed from outside: its worth depends on a secret of the chip or of a signer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry; its repr never shows the data, which may be a key. `sound`: whether its CRC fits."""

    type: int
    subtype: int
    data: bytes = field(repr=False)
    flags: int = 0
    reserved: bytes = bytes(3)
    sound: bool = True

    @property
    def id(self) -> tuple[int, int]:
        """Type and subtype."""
        return self.type, self.subtype

    @property
    def name(self) -> str:
        """As people call it."""
        return name_of(self.type, self.subtype)

    @property
    def held_by_chip(self) -> str | None:
        """Where the key really is, if not in the data: in words, else None."""
        if self.flags & 0xC0 == 0x80:
            return "encrypted with a key that only the chip has (HMAC)"
        if self.flags & 0xC0 == 0x40:
            return "derived from a key that only the chip has (HMAC)"
        if self.flags & 0x38 == 0x08:
            return "in the chip's eFuse (ECDSA peripheral)"
        return None

    def encode(self) -> bytes:
        """The bytes in flash, with their CRC. Raises Full for more data than its length can say."""
        if len(self.data) > MOST_DATA:
            raise Full(f"entry {self.name} has {len(self.data)} bytes, an entry takes {MOST_DATA}")
        header = HEADER.pack(MAGIC, self.flags, self.reserved, self.type, self.subtype, len(self.data))
        body = header + self.data + bytes(-len(self.data) % ALIGNMENT)
        return body + FOOTER.pack(crc(body))


def size_of(length: int) -> int:
    """Bytes that an entry with so much data takes."""
    return HEADER.size + length + -length % ALIGNMENT + FOOTER.size


def crc(body: bytes) -> int:
    """The footer for header, data and padding."""
    return zlib.crc32(body, 0xFFFFFFFF)
