"""A connection's bytes from one side, turned into packets as they come.

A strict decoder applies the rules of each packet (decode.py, checks.py) and those of their order (order.py). A tolerant
one applies neither; it still needs CONNECT first if it is to learn the version.

The type and flags of a packet are judged as soon as its first byte is there: a peer that does not speak MQTT at all
must not keep a connection open by announcing 200 MB.
"""

from __future__ import annotations

from typing import Literal

from hil.wire.mqtt.decode import check_first_byte, decode
from hil.wire.mqtt.errors import ProtocolError
from hil.wire.mqtt.order import Order
from hil.wire.mqtt.packets import Connect, Packet, Publish, Version
from hil.wire.mqtt.splitter import MAX_PACKET, Splitter, again

Sender = Literal["client", "server", "either"]


class Decoder:
    """Packets from one side of one connection, from its beginning. A new connection needs a new decoder.

    `version`: what the connection speaks; None to learn it from CONNECT, as on the device's side. `strict`: refuse what
    the standard forbids. `max_packet`: the longest packet to accept, in bytes, header included. `sender`: who sends
    these bytes; None means a client if the version is to be learnt, else a server; 'either' checks neither directions
    nor order, for a stream that is taken up in the middle or that is meant to break them.
    """

    def __init__(
        self,
        version: Version | None = None,
        strict: bool = True,
        max_packet: int = MAX_PACKET,
        sender: Sender | None = None,
    ) -> None:
        self.version = version
        self.strict = strict
        self.sender: Sender = sender or ("client" if version is None else "server")
        self._order = Order(self.sender, version) if strict and self.sender != "either" else None
        self._splitter = Splitter(max_packet)
        self._error: ProtocolError | None = None

    @property
    def pending(self) -> bytes:
        """The beginning of a packet whose end has not come yet."""
        return self._splitter.pending

    def feed(self, data: bytes) -> list[tuple[Packet, bytes]]:
        """The packets that `data` completes, in order, each with its bytes.

        Raises ProtocolError at the first bad one. The packets before it in `data` are in the error's `packets`, the bad
        one in its `raw`; every later call raises the same again, with neither.
        """
        if self._error is not None:
            raise again(self._error)
        packets: list[tuple[Packet, bytes]] = []
        try:
            self._feed(data, packets)
        except ProtocolError as error:
            self._error = error
            error.frames = []
            error.packets = packets
            raise
        return packets

    def _feed(self, data: bytes, packets: list[tuple[Packet, bytes]]) -> None:
        bad_length: ProtocolError | None = None
        try:
            frames = self._splitter.feed(data)
        except ProtocolError as error:
            bad_length = error
            frames = error.frames
        strict, order = self.strict, self._order
        for frame in frames:
            try:
                if order is not None and order.state != "open":
                    order.check_first(frame[0])
                packet = decode(frame, self.version, strict=strict)
                if type(packet) is not Publish or (order is not None and packet.properties):
                    self._follow(packet)
            except ProtocolError as error:
                error.raw = frame
                raise
            packets.append((packet, frame))
        begun = bad_length.raw[0] if bad_length else self._splitter.first_byte
        if begun is not None and strict:
            self._check_begun(begun, bad_length)
        if bad_length:
            raise bad_length

    def _follow(self, packet: Packet) -> None:
        """What a packet changes."""
        if self._order is not None:
            self._order.follow(packet)
        if isinstance(packet, Connect):
            self.version = packet.version

    def _check_begun(self, first: int, bad_length: ProtocolError | None) -> None:
        """The first byte of a packet that is not whole, or never will be."""
        try:
            if self._order is not None:
                self._order.check_first(first)
            check_first_byte(first, self.version, True)
        except ProtocolError as error:
            error.raw = bad_length.raw if bad_length else self.pending
            raise
