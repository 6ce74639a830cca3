"""TCP conversations put together from captured segments: the bytes of each side in order, and who began and ended it.

Segments may come twice, out of order, or overlap (RFC 9293, section 3.10.7.4); what was heard first counts. Where the
capture lost one, the bytes behind the gap are not given out: `whole` says so.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from hil.wire.ip import ACK, FIN, RST, SYN, TCP, Packet

_WRAP: Final = 1 << 32
_HALF: Final = 1 << 31


@dataclass(slots=True)
class Side:
    """What one side sent. `data` in order from its beginning; `pieces`: (start in data, packet number, time)."""

    first: int | None = None
    data: bytearray = field(default_factory=bytearray)
    pieces: list[tuple[int, int, float]] = field(default_factory=list)
    whole: bool = True
    _early: list[tuple[int, int, float, bytes]] = field(default_factory=list)

    def place(self, sequence: int) -> int:
        """Where a sequence number lies in `data`; negative for what lies before it."""
        assert self.first is not None
        distance = (sequence - self.first) % _WRAP
        return distance if distance < _HALF else distance - _WRAP

    def add(self, packet: Packet, number: int, time: float) -> None:
        """Take a segment's payload."""
        payload = packet.payload
        if self.first is None:
            self.first = packet.sequence
        at = self.place(packet.sequence)
        if packet.missing:
            self.whole = False
        if payload and at > len(self.data):
            heapq.heappush(self._early, (at, number, time, payload))
        elif payload:
            self._append(at, number, time, payload)
            while self._early and self._early[0][0] <= len(self.data):
                self._append(*heapq.heappop(self._early))

    def _append(self, at: int, number: int, time: float, payload: bytes) -> None:
        fresh = payload[len(self.data) - at :]
        if fresh:
            self.pieces.append((len(self.data), number, time))
            self.data += fresh

    def finish(self) -> None:
        """Nothing more comes: what waits behind a gap stays out."""
        if self._early:
            self.whole = False

    def when(self, position: int) -> tuple[int, float]:
        """The packet that brought the byte at this place, and its time; (0, 0.0) where none did."""
        at = bisect_right(self.pieces, position, key=lambda piece: piece[0])
        return self.pieces[at - 1][1:] if at else (0, 0.0)


@dataclass(slots=True)
class Conversation:
    """One connection; `client` is who sent the SYN, or where it began before the capture, has the higher port.

    `began`, `last`: seconds since 1970. `syns`: packets with the client's SYN, `answered` whether one was. `ended`: who
    ended it first, 'client' or 'server', and `how`, 'fin' or 'reset'; `end`: that packet's number and time. `numbers`:
    all of its packets.
    """

    client: tuple[str, int]
    server: tuple[str, int]
    began: float
    last: float
    up: Side = field(default_factory=Side)
    down: Side = field(default_factory=Side)
    syns: list[int] = field(default_factory=list)
    answered: bool = False
    ended: str | None = None
    how: str | None = None
    end: tuple[int, float] = (0, 0.0)
    numbers: list[int] = field(default_factory=list)

    def take(self, packet: Packet, number: int, time: float) -> None:
        """A packet of this connection, in the order of the capture."""
        from_client = packet.source == self.client
        side = self.up if from_client else self.down
        self.last = time
        self.numbers.append(number)
        if packet.flags & SYN:
            side.first = (packet.sequence + 1) % _WRAP
            if from_client:
                self.syns.append(number)
            else:
                self.answered = True
        if not packet.flags & SYN:
            side.add(packet, number, time)
        if packet.flags & (FIN | RST) and self.ended is None:
            self.ended = "client" if from_client else "server"
            self.how = "reset" if packet.flags & RST else "fin"
            self.end = (number, time)


def conversations(packets: Iterable[tuple[int, float, Packet]]) -> list[Conversation]:
    """The connections among packets (number, time, packet), in order of their beginnings."""
    open_ones: dict[frozenset[tuple[str, int]], Conversation] = {}
    found: list[Conversation] = []
    for number, time, packet in packets:
        if packet.protocol != TCP:
            continue
        key = frozenset((packet.source, packet.target))
        conversation = open_ones.get(key)
        opens = packet.flags & SYN and not packet.flags & ACK
        if conversation is None or (opens and conversation.ended is not None):
            client, server = _ends(packet)
            conversation = Conversation(client, server, time, time)
            open_ones[key] = conversation
            found.append(conversation)
        conversation.take(packet, number, time)
    for conversation in found:
        conversation.up.finish()
        conversation.down.finish()
    return found


def _ends(packet: Packet) -> tuple[tuple[str, int], tuple[str, int]]:
    from_client = not packet.flags & ACK if packet.flags & SYN else packet.source[1] > packet.target[1]
    return (packet.source, packet.target) if from_client else (packet.target, packet.source)
