"""A connection's bytes from one side, turned into packets as they come.

The rules that take more than one packet to see:

    sender   state     packet                              then
    client   new       CONNECT                             open; the version is what it says
             new       any other                           error [MQTT-3.1.0-1]
             open      CONNECT                             error [MQTT-3.1.0-2]
             open      DISCONNECT                          ended
             ended     any                                 error (3.1.1 [MQTT-3.14.4-2], 5 [MQTT-3.14.4-1])
    server   open      DISCONNECT (5 alone)                ended
             open      what only a client sends            error
    either   open      any                                 open

What must come between (a PUBACK for each PUBLISH, CONNACK before all else, packet ids in use, topic aliases) is not
looked at here. A tolerant decoder applies none of this; it still needs CONNECT first if it is to learn the version.

The type and flags of a packet are judged as soon as its first byte is there: a peer that does not speak MQTT at all
must not keep a connection open by announcing 200 MB.
"""

from __future__ import annotations

from typing import Literal

from hil.wire.mqtt.checks import check_sender
from hil.wire.mqtt.decode import check_first_byte, decode
from hil.wire.mqtt.errors import ProtocolError
from hil.wire.mqtt.packets import Connect, Disconnect, Packet, Publish, Version
from hil.wire.mqtt.rules import violation
from hil.wire.mqtt.splitter import MAX_PACKET, Splitter, again

Sender = Literal["client", "server", "either"]


class Decoder:
    """Packets from one side of one connection. A new connection needs a new decoder.

    `version`: what the connection speaks; None to learn it from CONNECT, as on the device's side. `strict`: refuse what
    the standard forbids. `max_packet`: the longest packet to accept, in bytes, header included. `sender`: who sends
    these bytes; None means a client if the version is to be learnt, else a server; 'either' checks no directions.
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
        self._state = "new" if self.sender == "client" else "open"
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
        strict = self.strict
        checked = strict and self.sender != "either"
        for frame in frames:
            if checked and self._state != "open":
                self._check_state(frame[0], frame)
            packet = decode(frame, self.version, strict=strict)
            if type(packet) is not Publish or (checked and packet.properties):
                self._follow(packet, frame, checked)
            packets.append((packet, frame))
        begun = bad_length.raw[0] if bad_length else self._splitter.first_byte
        if begun is not None and strict:
            self._check_begun(begun, bad_length.raw if bad_length else self.pending)
        if bad_length:
            raise bad_length

    def _follow(self, packet: Packet, frame: bytes, checked: bool) -> None:
        """What a packet changes."""
        if isinstance(packet, Connect) and not (checked and self._state == "open"):
            self.version = packet.version
        if not checked:
            return
        version = self.version or Version.V311
        try:
            if isinstance(packet, Connect) and self.sender == "client":
                if self._state == "open":
                    raise violation("once", version, "a second CONNECT")
                self._state = "open"
            check_sender(packet, version, self.sender)
        except ProtocolError as error:
            error.raw = frame
            raise
        if isinstance(packet, Disconnect):
            self._state = "ended"

    def _check_begun(self, first: int, raw: bytes) -> None:
        """The first byte of a packet that is not whole."""
        if self.sender != "either":
            self._check_state(first, raw)
        try:
            check_first_byte(first, self.version or Version.V311, True)
        except ProtocolError as error:
            error.raw = raw
            raise

    def _check_state(self, first: int, raw: bytes) -> None:
        version = self.version or Version.V311
        error = None
        if self._state == "ended":
            error = violation("last", version, f"a packet of type {first >> 4}")
        elif self._state == "new" and first >> 4 != 1:
            error = violation("first", version, f"a packet of type {first >> 4}")
        if error is not None:
            error.raw = raw
            raise error
