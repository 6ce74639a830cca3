"""A byte stream cut into whole MQTT packets, before anything in them is understood.

The rules (MQTT 3.1.1 section 2.2, MQTT 5 section 2.1), for both versions alike:

- A packet is one byte of type and flags, the Remaining Length, and as many bytes as that says.
- The Remaining Length is a variable byte integer: seven bits a byte, the lowest first; a set top bit says that another
  byte follows. It has at most four bytes, so it ends at 268,435,455. Four bytes that all say 'another follows' are
  malformed.
- A value must not use more bytes than it needs [MQTT-1.5.5-1]. MQTT 3.1.1 does not say so; decode, which knows the
  version, checks it.
"""

from __future__ import annotations

from typing import Final

from hil.wire.mqtt.errors import PACKET_TOO_LARGE, ProtocolError

MAX_REMAINING_LENGTH: Final = 268_435_455
MAX_PACKET: Final = MAX_REMAINING_LENGTH + 5
"""The longest packet there can be, in bytes, header included."""


class Splitter:
    """Cuts a stream into packets, fed with pieces of any size.

    `max_packet`: the longest packet to accept, in bytes, its header included. A longer one is refused as soon as its
    length is known, so a hostile length never makes this hold more than `max_packet` bytes and one piece.
    """

    __slots__ = ("_error", "_pending", "_wanted", "max_packet")

    def __init__(self, max_packet: int = MAX_PACKET) -> None:
        self.max_packet = max_packet
        self._pending = bytearray()  # the beginning of a packet that is not whole yet
        self._wanted = 2  # how long `_pending` has to be before looking at it again is of any use
        self._error: ProtocolError | None = None

    @property
    def pending(self) -> bytes:
        """The beginning of a packet whose end has not come yet."""
        return bytes(self._pending)

    @property
    def held(self) -> int:
        """How many bytes of it there are."""
        return len(self._pending)

    @property
    def first_byte(self) -> int | None:
        """The first byte of such a packet, None when the stream stands between two packets."""
        return self._pending[0] if self._pending else None

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that `data` completes, header included, in order.

        Raises ProtocolError for a bad length, with the packets before it in the error's `frames`; the stream has lost
        its frame then, and every later call raises the same again.
        """
        if self._error is not None:
            raise again(self._error)
        pending = self._pending
        if pending:
            pending += data
            if len(pending) < self._wanted:
                return []
            data = bytes(pending)
            pending.clear()
        frames: list[bytes] = []
        position = 0
        size = len(data)
        try:
            while size - position >= 2:
                length = data[position + 1]
                if length < 128:
                    end = position + 2 + length
                else:
                    end = self._long_end(data, position, size)
                    if end == 0:
                        break
                if end - position > self.max_packet:
                    raise self._too_large(end - position)
                if end > size:
                    self._wanted = end - position
                    break
                frames.append(data[position:end])
                position = end
            else:
                self._wanted = 2
        except ProtocolError as error:
            self._error = error
            error.raw = data[position:]
            error.frames = frames
            raise
        if position < size:
            pending += data[position:] if position else data
        return frames

    def _long_end(self, data: bytes, position: int, size: int) -> int:
        """Where the packet at `position` ends, by a Remaining Length of two bytes or more; 0 if it is not all there."""
        length = data[position + 1] & 0x7F
        for count in range(2, 5):
            at = position + count
            if at >= size:
                self._wanted = count + 1
                return 0
            byte = data[at]
            length |= (byte & 0x7F) << (7 * (count - 1))
            if byte < 128:
                return at + 1 + length
        raise ProtocolError(
            "malformed packet: a Remaining Length of more than four bytes, the most is 4 "
            f"(bytes {data[position : position + 5].hex(' ')})"
        )

    def _too_large(self, length: int) -> ProtocolError:
        return ProtocolError(f"a packet of {length} bytes, at most {self.max_packet} are accepted", PACKET_TOO_LARGE)


def again(error: ProtocolError) -> ProtocolError:
    """The same error for a later call: without the packets, which were given away with the first."""
    same = ProtocolError(error.reason, error.code)
    same.raw = error.raw
    return same
