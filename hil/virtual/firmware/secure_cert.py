"""The esp_secure_cert partition: Espressif's TLV format, read as its esp_secure_cert_mgr reads it.

Written apart from the harness's own code, on purpose. Source of the layout: docs/format.md and
private_include/esp_secure_cert_tlv_private.h of espressif/esp_secure_cert_mgr. All numbers are little endian.

    header    magic BA5EBA11 (4), flags, three reserved bytes, type, subtype, length of the data (2)
    data      padded with zeros to a multiple of 16 bytes
    footer    CRC-32 of all before it in this entry, padding included (4)

Entries follow each other; the first place without the magic ends them. The first entry of a type and subtype counts.
PEM is stored with its NUL, as mbedTLS wants it; certificates and keys may be DER instead.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

CA_CERTIFICATE, DEVICE_CERTIFICATE, PRIVATE_KEY = 0, 1, 2
"""Types of entries that hold credentials."""

_MAGIC = 0xBA5EBA11
_HEADER = struct.Struct("<IB3xBBH")
_ALIGNMENT = 16

_METHOD_BITS = 0xC0
_ENCRYPTED, _DERIVED = 0x80, 0x40
_PERIPHERAL_BITS, _IN_EFUSE = 0x38, 0x08


class SecureCertError(ValueError):
    """The partition, or an entry of it, cannot be used. One line."""


@dataclass(frozen=True, slots=True)
class _Entry:
    offset: int
    flags: int
    type: int
    subtype: int
    data: bytes
    sound: bool


def read(partition: bytes, type_: int, subtype: int = 0) -> bytes | None:
    """The data of the entry of that type and subtype, None if there is none.

    Raises SecureCertError for a partition that holds no entries at all, for a wrong CRC, and for a key that only the
    chip's own hardware could give out.
    """
    if partition[:4] != struct.pack("<I", _MAGIC):
        found = "it is erased" if partition.count(0xFF) == len(partition) else f"found {partition[:4].hex()}"
        raise SecureCertError(f"no TLV entry at its start ({found}): provision this board")
    for entry in _entries(partition):
        if (entry.type, entry.subtype) == (type_, subtype):
            return _checked(entry)
    return None


def read_pem(partition: bytes, type_: int) -> bytes | None:
    """A certificate or key as PEM; see `read`. DER becomes PEM."""
    data = read(partition, type_)
    if data is None or data.startswith(b"-----BEGIN ") or b"\n-----BEGIN " in data:
        return data
    if not data.startswith(b"\x30"):
        return data  # neither: whoever parses it says what is wrong with it
    label = _key_label(data) if type_ == PRIVATE_KEY else b"CERTIFICATE"
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, base64.encodebytes(data), label)


def _entries(partition: bytes) -> Iterator[_Entry]:
    offset = 0
    while offset + _HEADER.size <= len(partition):
        magic, flags, type_, subtype, length = _HEADER.unpack_from(partition, offset)
        if magic != _MAGIC:
            return
        start = offset + _HEADER.size
        footer = start + length + -length % _ALIGNMENT
        if footer + 4 > len(partition):
            raise SecureCertError(f"the entry at {offset:#x} (type {type_}) is longer than the partition")
        stated = int.from_bytes(partition[footer : footer + 4], "little")
        # The CRC starts at FFFFFFFF, which zlib's second argument must be to give the ROM function's result.
        sound = stated == zlib.crc32(partition[offset:footer], 0xFFFFFFFF)
        yield _Entry(offset, flags, type_, subtype, partition[start : start + length], sound)
        offset = footer + 4


def _checked(entry: _Entry) -> bytes:
    where = f"the entry at {entry.offset:#x} (type {entry.type})"
    if not entry.sound:
        raise SecureCertError(f"{where} has a wrong CRC")
    if entry.flags & _METHOD_BITS == _ENCRYPTED:
        raise SecureCertError(f"{where} is encrypted with a key in eFuses, which this chip does not have")
    if entry.flags & _METHOD_BITS == _DERIVED or entry.flags & _PERIPHERAL_BITS == _IN_EFUSE:
        raise SecureCertError(f"{where} is a key in eFuses, which this chip does not have")
    return entry.data


def _key_label(der: bytes) -> bytes:
    """What a key's DER is in PEM: RFC 5208 has version 0 and an algorithm, RFC 8017 0 and a number, RFC 5915 1."""
    body = der[2 + (der[1] & 0x7F if der[1] & 0x80 else 0) :]
    if body[:3] == b"\x02\x01\x01":
        return b"EC PRIVATE KEY"
    return b"RSA PRIVATE KEY" if body[3:4] == b"\x02" else b"PRIVATE KEY"
