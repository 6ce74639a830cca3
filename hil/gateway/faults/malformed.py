"""Bytes that are no MQTT, or not what was asked for, from the broker's side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Frame, Link, Once, Player
from hil.wire.mqtt import Connack

Kind = Literal[
    "type-zero", "reserved-flags", "qos-3", "length-of-5-bytes", "topic-beyond-end", "no-packet-id", "bad-utf-8",
    "short-suback", "never-ending", "connack",
]  # fmt: skip

_BYTES: Final[dict[str, bytes]] = {
    # A packet of type 0, which is reserved: MQTT 3.1.1 section 2.2.1.
    "type-zero": b"\x00\x00",
    # A PINGRESP with a flag set; the flags of all but PUBLISH are fixed [MQTT-2.2.2-2].
    "reserved-flags": b"\xd1\x00",
    # A PUBLISH of QoS 3 [MQTT-3.3.1-4]: topic 't', packet id 1.
    "qos-3": b"\x36\x06\x00\x01t\x00\x01x",
    # A remaining length that goes on after four bytes: section 2.2.3.
    "length-of-5-bytes": b"\x30\xff\xff\xff\xff\x01",
    # A PUBLISH whose topic claims to be 65,535 bytes long, in a packet of 3.
    "topic-beyond-end": b"\x30\x03\xff\xfft",
    # A PUBLISH of QoS 1 that ends where its packet id has to be: section 3.3.2.2.
    "no-packet-id": b"\x32\x03\x00\x01t",
    # A PUBLISH whose topic is no UTF-8 [MQTT-1.5.3-1].
    "bad-utf-8": b"\x30\x06\x00\x03\xff\xfe\xfdx",
    # A SUBACK of one byte: section 3.9.
    "short-suback": b"\x90\x01\x00",
    # A PUBLISH that announces 268,435,455 bytes, the most there can be, of which only the topic comes.
    "never-ending": b"\x30\xff\xff\xff\x7f\x00\x01t",
}
_CONNACK_FLAGS: Final = 0xFE
"""All the reserved bits of a CONNACK's first byte: section 3.2.2.1."""


@dataclass(frozen=True)
class Malformed(Fault):
    """Send bytes that are no packet of MQTT, once the device has its CONNACK; or, for kind 'connack', in its place.

    A client must close then [MQTT-4.8.0-1; MQTT 5: 4.13.1-1]. An occasion is a connection. The kinds:
    'type-zero', 'reserved-flags', 'qos-3', 'length-of-5-bytes', 'topic-beyond-end', 'no-packet-id', 'bad-utf-8',
    'short-suback', 'never-ending' (a packet of 256 MB is announced, and does not come: no error by itself) and
    'connack' (reserved bits set).
    """

    name: ClassVar[str] = "malformed"
    joins_open: ClassVar[bool] = True
    kind: Kind = "type-zero"

    def __post_init__(self) -> None:
        self.expect_one_of("kind", Kind)

    def player(self, link: Link) -> Player:
        if self.kind == "connack":
            return _Mangling(link)
        return _Breaking(link, _BYTES[self.kind])


class _Breaking(Once):
    def __init__(self, link: Link, raw: bytes) -> None:
        super().__init__(link)
        self._raw = raw

    def once(self) -> None:
        if self.link.occasion(bytes=self._raw):
            self.link.send(Frame(None, self._raw))


class _Mangling(Player):
    def down(self, frame: Frame) -> list[Frame] | None:
        if not isinstance(frame.packet, Connack):
            return None
        # The remaining length of a CONNACK of MQTT 5 may take more than one byte: the flags follow it.
        at = next(index for index in range(1, 5) if not frame.raw[index] & 0x80) + 1
        mangled = frame.raw[:at] + bytes([_CONNACK_FLAGS]) + frame.raw[at + 1 :]
        return [Frame(None, mangled)] if self.link.occasion(bytes=mangled) else None
