"""The few field types from which MQTT packets are made (MQTT 3.1.1 section 1.5, MQTT 5 section 1.5).

Integers are big-endian. Text and binary data carry a two-byte length. A variable byte integer is seven bits a byte,
the lowest first, four bytes at most.
"""

from __future__ import annotations

from typing import Final

from hil.wire.mqtt.errors import PACKET_TOO_LARGE, ProtocolError
from hil.wire.mqtt.packets import Version
from hil.wire.mqtt.rules import violation

MAX_VARIABLE: Final = 268_435_455


class Reader:
    """Takes fields from one packet, front to back; never beyond `end`. `packet` is its name, for errors.

    Every method raises ProtocolError for a field that the bytes cannot hold, `what` being its name there.
    """

    __slots__ = ("data", "end", "packet", "position", "strict", "version")

    def __init__(self, data: bytes, position: int, end: int, packet: str, version: Version, strict: bool) -> None:
        self.data = data
        self.position = position
        self.end = end
        self.packet = packet
        self.version = version
        self.strict = strict

    def take(self, size: int, what: str) -> bytes:
        """The next `size` bytes."""
        start = self.position
        stop = start + size
        if stop > self.end:
            raise ProtocolError(f"{self.packet} ends within its {what}: {size} bytes needed, {self.end - start} left")
        self.position = stop
        return self.data[start:stop]

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def two(self, what: str) -> int:
        return int.from_bytes(self.take(2, what), "big")

    def four(self, what: str) -> int:
        return int.from_bytes(self.take(4, what), "big")

    def variable(self, what: str) -> int:
        value = 0
        for count in range(4):
            byte = self.byte(what)
            value |= (byte & 0x7F) << (7 * count)
            if byte < 128:
                if count and not byte and self.strict and self.version is Version.V5:
                    raise violation("shortest integer", self.version, f"{self.packet} with {what} in {count + 1} bytes")
                return value
        raise ProtocolError(f"{self.packet} with {what} of more than 4 bytes: a variable byte integer ends by the 4th")

    def binary(self, what: str) -> bytes:
        return self.take(self.two(what), what)

    def text(self, what: str) -> str:
        return decode_text(self.take(self.two(what), what), f"{self.packet} with {what}", self.version, self.strict)

    def packet_id(self) -> int:
        return self.two("packet id")

    def part(self, size: int, what: str) -> Reader:
        """A reader of the next `size` bytes alone; this one goes on behind them."""
        start = self.position
        self.position = start + size
        if self.position > self.end:
            raise ProtocolError(f"{self.packet} ends within its {what}: {size} bytes needed, {self.end - start} left")
        return Reader(self.data, start, self.position, self.packet, self.version, self.strict)

    def finish(self) -> None:
        """All must have been taken; a tolerant reader lets the rest go."""
        if self.strict and self.position != self.end:
            raise violation(
                "exact length", self.version, f"{self.packet} with {self.end - self.position} bytes after its end"
            )


def decode_text(raw: bytes, found: str, version: Version, strict: bool) -> str:
    """UTF-8 to text. Tolerant: bytes that are no UTF-8 become backslash escapes, so that nothing goes unseen."""
    try:
        value = raw.decode("utf-8")
    except UnicodeDecodeError:
        if not strict:
            return raw.decode("utf-8", "backslashreplace")
        raise violation("UTF-8", version, f"{found} {raw!r}") from None
    if strict and "\0" in value:
        raise violation("no U+0000", version, f"{found} {value!r}")
    return value


def integer(value: int, size: int, what: str) -> bytes:
    """`size` bytes. Raises ProtocolError for a value that does not fit."""
    try:
        return value.to_bytes(size, "big")
    except OverflowError:
        raise ProtocolError(f"{what} {value}: it must be 0 to {256**size - 1}") from None


def variable(value: int, what: str) -> bytes:
    """A variable byte integer, in as few bytes as it can."""
    if not 0 <= value <= MAX_VARIABLE:
        raise ProtocolError(f"{what} {value}: it must be 0 to {MAX_VARIABLE}", PACKET_TOO_LARGE)
    if value < 128:
        return bytes((value,))
    out = bytearray()
    while value > 127:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def binary(value: bytes, what: str) -> bytes:
    """Binary data behind its length."""
    if len(value) > 0xFFFF:
        raise ProtocolError(f"{what} of {len(value)} bytes: at most 65535 can be sent")
    return len(value).to_bytes(2, "big") + value


def text(value: str, what: str, version: Version, strict: bool) -> bytes:
    """UTF-8 behind its length. Raises ProtocolError for what UTF-8 cannot hold, and for U+0000 if strict."""
    try:
        raw = value.encode("utf-8")
    except UnicodeEncodeError:
        raise violation("UTF-8", version, f"{what} {value!r}") from None
    if strict and "\0" in value:
        raise violation("no U+0000", version, f"{what} {value!r}")
    return binary(raw, what)
