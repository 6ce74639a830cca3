"""SLIP framing (RFC 1055) as the ESP ROM loader uses it: 0xC0 at both ends of a packet, 0xDB escapes. Sans-IO.

Unlike RFC 1055 proper, bytes outside of a frame are noise (a boot log, half a packet): they are dropped, and what
follows the next END byte is taken as a frame.
"""

from __future__ import annotations

import re

_ESCAPED = re.compile(rb"\xdb([\xdc\xdd])")
_PLAIN = {b"\xdc": b"\xc0", b"\xdd": b"\xdb"}


def encode(packet: bytes) -> bytes:
    """One packet as a frame, END bytes at both ends."""
    return b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


class Decoder:
    """Bytes in, whole packets out. `most`: a longer frame is noise, and is dropped (bytes)."""

    def __init__(self, most: int = 1 << 20) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._held = 0
        self._inside = False

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that `data` completes. Frames with an escape that does not exist are dropped."""
        packets: list[bytes] = []
        pieces = data.split(b"\xc0")
        for position, piece in enumerate(pieces):
            if self._inside and piece:
                self._hold(piece)
            if position == len(pieces) - 1:
                break
            # An END: it closes a frame that holds something, else it opens one.
            if self._inside and self._parts:
                packet = _unescape(b"".join(self._parts))
                if packet is not None:
                    packets.append(packet)
                self._inside = False
            else:
                self._inside = True
            self._parts, self._held = [], 0
        return packets

    def reset(self) -> None:
        """Forget a frame that is half there."""
        self._parts, self._held, self._inside = [], 0, False

    def _hold(self, piece: bytes) -> None:
        self._held += len(piece)
        if self._held > self._most:
            self.reset()
        else:
            self._parts.append(piece)


def _unescape(frame: bytes) -> bytes | None:
    if b"\xdb" not in frame:
        return frame
    plain = _ESCAPED.sub(lambda match: _PLAIN[match.group(1)], frame)
    # Whatever ESC is left now came out of ESC ESC_ESC, unless an escape was broken: compare the counts.
    if len(frame) - len(plain) != frame.count(b"\xdb"):
        return None
    return plain
