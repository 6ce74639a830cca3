"""The wire between the supervisor (chip, radio) and the core (the firmware's process): frames on a socket pair.

A frame is one byte of kind, four bytes of length (big endian), and that many bytes. A frame of kind SOCKET brings a
file descriptor along, as ancillary data of its bytes (SCM_RIGHTS, unix(7)).
"""

from __future__ import annotations

import json
import socket
import struct
from enum import IntEnum
from typing import Any

_HEADER = struct.Struct("!BI")

RECORD = struct.Struct("!cI")
"""What goes between the supervisor and the zygote (see zygote.py): a letter and a number."""

MAX_FRAME = 1 << 20
"""Bytes in a frame at most; more can only be a fault in one of the two programs."""


class Kind(IntEnum):
    """What a frame holds."""

    BOOT = 1  # to the core, first and once: JSON, everything the firmware may know of its chip
    UART = 2  # both ways: bytes of the serial line
    RADIO = 3  # both ways: JSON, the messages that radio.py lists
    SOCKET = 4  # to the core: as RADIO, with a file descriptor
    FLASH_WRITE = 5  # to the supervisor: offset (4 bytes), data
    FLASH_ERASE = 6  # to the supervisor: offset, length (4 bytes each)
    CLOCK = 7  # to the supervisor: the host's monotonic time at which the chip's clock reads 0 (8 bytes, IEEE 754)
    BURN = 9  # to the supervisor: nothing; burn the eFuse that turns the download mode off
    RESTART = 8  # to the supervisor: the cause (2 bytes); the core does nothing more


class LinkError(Exception):
    """A frame that cannot be: one of the two programs is at fault."""


def frame(kind: Kind, payload: bytes) -> bytes:
    """The bytes of one frame."""
    return _HEADER.pack(kind, len(payload)) + payload


def message(facts: dict[str, Any], kind: Kind = Kind.RADIO) -> bytes:
    """A frame that holds JSON."""
    return frame(kind, json.dumps(facts, separators=(",", ":")).encode())


class Splitter:
    """Bytes in, frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Kind, bytes]]:
        """The frames that are complete with these bytes; raises LinkError for what is none."""
        self._buffer += data
        frames: list[tuple[Kind, bytes]] = []
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._buffer, start)
            if length > MAX_FRAME or kind not in Kind._value2member_map_:
                raise LinkError(f"frame of kind {kind} with {length} bytes between chip and firmware")
            end = start + _HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append((Kind(kind), bytes(self._buffer[start + _HEADER.size : end])))
            start = end
        del self._buffer[:start]
        return frames


def send_socket(link: socket.socket, data: bytes, carried: socket.socket) -> int:
    """Send a frame of kind SOCKET as far as it goes; the descriptor travels with its first byte."""
    return socket.send_fds(link, [data], [carried.fileno()])


def receive(link: socket.socket, size: int = 65536, flags: int = 0) -> tuple[bytes, list[socket.socket]]:
    """The next bytes of the link, and the sockets that came with them; no bytes means that the other side is gone."""
    data, descriptors, _, _ = socket.recv_fds(link, size, 8, flags)
    return data, [socket.socket(fileno=descriptor) for descriptor in descriptors]
