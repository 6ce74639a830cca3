"""Captures of a network: the pcap and pcapng formats. Bytes in, frames out; and back, as pcap.

    for frame in read(path.read_bytes()): ...
    path.write_bytes(write(LINK_RAW, frames))

Sources: draft-ietf-opsawg-pcap (the header's 24 bytes, records of 16) and draft-ietf-opsawg-pcapng (blocks with their
length at both ends). Both exist in either byte order; the first four bytes tell. Link types are tcpdump's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

LINK_NULL: Final = 0
LINK_ETHERNET: Final = 1
LINK_RAW: Final = 101
LINK_LINUX_SLL: Final = 113
LINK_IPV4: Final = 228
LINK_IPV6: Final = 229
LINK_LINUX_SLL2: Final = 276

_MICROSECONDS: Final = 0xA1B2C3D4
_NANOSECONDS: Final = 0xA1B23C4D
_SECTION: Final = 0x0A0D0D0A
_BYTE_ORDER: Final = 0x1A2B3C4D
_INTERFACE, _SIMPLE, _ENHANCED, _OLD_PACKET = 1, 3, 6, 2
_OPTION_RESOLUTION: Final = 9
_MOST: Final = 1 << 18  # bytes of a frame: tcpdump's own limit; more is a damaged length
_SNAP: Final = 65535


class CaptureError(ValueError):
    """Bytes that are no capture, or a damaged one. One line."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: `time` in seconds since 1970, its link type, and as much of it as was kept."""

    time: float
    link: int
    data: bytes


def read(data: bytes) -> Iterator[Frame]:
    """The frames of a capture, in its order. A last one that was cut off is left out.

    Raises CaptureError for anything else that does not fit.
    """
    for order in ("<", ">"):
        if len(data) >= 24:
            (magic,) = struct.unpack_from(f"{order}I", data)
            if magic in (_MICROSECONDS, _NANOSECONDS):
                return _read_pcap(data, order, 1e-6 if magic == _MICROSECONDS else 1e-9)
    if len(data) >= 12 and data[:4] == _SECTION.to_bytes(4, "little"):  # the same in both orders
        return _read_pcapng(data)
    raise CaptureError("found no header of pcap or pcapng")


def write(link: int, frames: Iterable[tuple[float, bytes]]) -> bytes:
    """A capture as pcap, with microseconds: time and bytes of each frame."""
    out = [struct.pack("<IHHiIII", _MICROSECONDS, 2, 4, 0, 0, _SNAP, link)]
    for time, data in frames:
        seconds, micros = divmod(round(time * 1e6), 1_000_000)
        out += [struct.pack("<IIII", seconds, micros, len(data), len(data)), data]
    return b"".join(out)


def _read_pcap(data: bytes, order: str, unit: float) -> Iterator[Frame]:
    link = struct.unpack_from(f"{order}I", data, 20)[0] & 0x0FFFFFFF  # the upper bits tell of a frame check sequence
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, kept, _ = struct.unpack_from(f"{order}IIII", data, at)
        if kept > _MOST:
            raise CaptureError(f"byte {at}: a frame of {kept} bytes; the capture is damaged there")
        at += 16
        if at + kept > len(data):
            return
        yield Frame(seconds + fraction * unit, link, data[at : at + kept])
        at += kept


def _read_pcapng(data: bytes) -> Iterator[Frame]:
    order = "<"
    interfaces: list[tuple[int, float]] = []
    at = 0
    while at + 12 <= len(data):
        if data[at : at + 4] == _SECTION.to_bytes(4, "little"):
            order = "<" if data[at + 8 : at + 12] == _BYTE_ORDER.to_bytes(4, "little") else ">"
            interfaces = []
        kind, length = struct.unpack_from(f"{order}II", data, at)
        if length < 12 or length % 4:
            raise CaptureError(f"byte {at}: a block of {length} bytes; the capture is damaged there")
        if at + length > len(data):
            return
        body = data[at + 8 : at + length - 4]
        try:
            if kind == _INTERFACE:
                interfaces.append(_interface(body, order))
            else:
                yield from _packet(kind, body, order, interfaces)
        except (struct.error, IndexError):
            raise CaptureError(f"byte {at}: a block of kind {kind} that is too short, or of no interface") from None
        at += length


def _interface(body: bytes, order: str) -> tuple[int, float]:
    """Its link type, and the unit of its times in seconds."""
    (link,) = struct.unpack_from(f"{order}H", body)
    unit, at = 1e-6, 8
    while at + 4 <= len(body):
        option, length = struct.unpack_from(f"{order}HH", body, at)
        if option == 0:
            break
        if option == _OPTION_RESOLUTION and length:
            exponent = body[at + 4]
            unit = 2.0 ** -(exponent & 0x7F) if exponent & 0x80 else 10.0**-exponent
        at += 4 + (length + 3) // 4 * 4
    return link, unit


def _packet(kind: int, body: bytes, order: str, interfaces: list[tuple[int, float]]) -> Iterator[Frame]:
    if kind == _ENHANCED:
        number, high, low, kept, _ = struct.unpack_from(f"{order}IIIII", body)
    elif kind == _OLD_PACKET:
        number, _, high, low, kept, _ = struct.unpack_from(f"{order}HHIIII", body)
    elif kind == _SIMPLE:
        (kept,) = struct.unpack_from(f"{order}I", body)
        yield Frame(0.0, interfaces[0][0], body[4 : 4 + kept])
        return
    else:
        return
    link, unit = interfaces[number]
    yield Frame((high << 32 | low) * unit, link, body[20 : 20 + kept])
