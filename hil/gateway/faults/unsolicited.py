"""Packets that nobody asked for, and messages of the gateway's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Frame, Link, Once, Player
from hil.wire.mqtt import (
    Connack,
    Packet,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Version,
    topic_matches,
)

Stray = Literal["connack", "puback", "pubrec", "pubrel", "pubcomp", "suback", "unsuback", "pingresp"]

_NOBODYS_ID: Final = 0xBEEF
"""A packet id that no device has in use: they count from 1."""


@dataclass(frozen=True)
class Unsolicited(Fault):
    """Send an answer to nothing, once the device has its CONNACK; acknowledgements carry packet id 48879.

    MQTT 3.1.1 leaves to the client what it does about one; it should neither crash nor take it for another's answer. A
    second CONNACK is a protocol error. An occasion is a connection.
    """

    name: ClassVar[str] = "unsolicited"
    joins_open: ClassVar[bool] = True
    packet: Stray = "puback"

    def __post_init__(self) -> None:
        self.expect_one_of("packet", Stray)

    def player(self, link: Link) -> Player:
        return _Straying(link, self.packet)


class _Straying(Once):
    def __init__(self, link: Link, packet: Stray) -> None:
        super().__init__(link)
        self._packet = packet

    def once(self) -> None:
        if self.link.occasion():
            self.link.send(self.link.frame(self._stray()))

    def _stray(self) -> Packet:
        in_5 = self.link.version is Version.V5
        strays: dict[Stray, Packet] = {
            "connack": Connack(),
            "puback": Puback(_NOBODYS_ID),
            "pubrec": Pubrec(_NOBODYS_ID),
            "pubrel": Pubrel(_NOBODYS_ID),
            "pubcomp": Pubcomp(_NOBODYS_ID),
            "suback": Suback(_NOBODYS_ID, (0,)),
            "unsuback": Unsuback(_NOBODYS_ID, (0,) if in_5 else ()),
            "pingresp": Pingresp(),
        }
        return strays[self._packet]


At = Literal["connack", "suback"]


@dataclass(frozen=True)
class Deliver(Fault):
    """Send the device a message that no broker knows of, as the broker's retained message would come: at connect.

    `at`: 'suback' sends it behind the SUBACK of a SUBSCRIBE with a filter that fits `topic`; 'connack' behind the
    CONNACK, as a kept session's messages come, or at once on a connection that is open. An occasion is a message. The
    device's answers stay here. Any size goes: `payload=b"x" * 100_000` is a large one.
    """

    name: ClassVar[str] = "deliver"
    joins_open: ClassVar[bool] = True
    topic: str
    payload: bytes = field(default=b"", repr=False)
    qos: int = 0
    retain: bool = True
    at: At = "suback"

    def __post_init__(self) -> None:
        if not self.topic or "+" in self.topic or "#" in self.topic:
            raise ValueError(f"{self.name}: topic is {self.topic!r}, expected a topic name, without wildcards")
        self.expect_one_of("at", At)
        self.expect_one_of("qos", (0, 1, 2))

    def player(self, link: Link) -> Player:
        return _Delivering(link, self)


class _Delivering(Once):
    def __init__(self, link: Link, fault: Deliver) -> None:
        super().__init__(link)
        self._fault = fault
        self._subscribes: set[int] = set()  # those that wait for their SUBACK
        self._next_id = 0xFF00  # brokers count from 1; what the device answers to these is not theirs
        self._mine: set[int] = set()

    def once(self) -> None:
        if self._fault.at == "connack" and self.link.occasion(size=len(self._fault.payload)):
            self.link.send(self._message())

    def up(self, frame: Frame) -> list[Frame] | None:
        packet = frame.packet
        if isinstance(packet, Subscribe):
            if any(topic_matches(s.filter, self._fault.topic) for s in packet.filters):
                self._subscribes.add(packet.packet_id)
        elif isinstance(packet, Puback | Pubrec | Pubcomp) and packet.packet_id in self._mine:
            if isinstance(packet, Pubrec) and packet.code < 0x80:
                self.link.send(self.link.frame(Pubrel(packet.packet_id)))
            else:
                self._mine.discard(packet.packet_id)
            return []
        return None

    def down(self, frame: Frame) -> list[Frame] | None:
        packet = frame.packet
        if self._fault.at != "suback" or not isinstance(packet, Suback) or packet.packet_id not in self._subscribes:
            return None
        self._subscribes.discard(packet.packet_id)
        return [frame, self._message()] if self.link.occasion(size=len(self._fault.payload)) else None

    def _message(self) -> Frame:
        packet_id = None
        if self._fault.qos:
            packet_id, self._next_id = self._next_id, 0xFF00 | (self._next_id + 1) & 0xFF
            self._mine.add(packet_id)
        fault = self._fault
        return self.link.frame(Publish(fault.topic, fault.payload, fault.qos, fault.retain, False, packet_id))


@dataclass(frozen=True)
class Redeliver(Fault):
    """Send each message of QoS 1 or 2 a second time, with DUP, before it is acknowledged. An occasion is a message.

    For QoS 1 that is allowed, and the firmware has to bear it. At QoS 2 the device must take it for the same message,
    by its packet id [MQTT-4.3.3-2]. The second of the device's answers stays here.
    """

    name: ClassVar[str] = "redeliver"
    joins_open: ClassVar[bool] = True

    def player(self, link: Link) -> Player:
        return _Redelivering(link)


class _Redelivering(Player):
    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self._twice: set[int] = set()  # ids of which two answers may come
        self._once: set[int] = set()  # ids of which one has come

    def down(self, frame: Frame) -> list[Frame] | None:
        packet = frame.packet
        if not isinstance(packet, Publish) or packet.packet_id is None:
            return None
        self._once.discard(packet.packet_id)
        if not self.link.occasion(packet_id=packet.packet_id, topic=packet.topic, qos=packet.qos):
            self._twice.discard(packet.packet_id)
            return None
        self._twice.add(packet.packet_id)
        # The DUP flag is bit 3 of the first byte (section 3.3.1.1); all the rest is the same.
        again = bytes([frame.raw[0] | 0x08]) + frame.raw[1:]
        return [frame, Frame(_with_dup(packet), again)]

    def up(self, frame: Frame) -> list[Frame] | None:
        packet = frame.packet
        if not isinstance(packet, Puback | Pubrec) or packet.packet_id not in self._twice:
            return None
        if packet.packet_id not in self._once:
            self._once.add(packet.packet_id)
            return None
        self._twice.discard(packet.packet_id)
        self._once.discard(packet.packet_id)
        return []


def _with_dup(packet: Publish) -> Publish:
    return Publish(packet.topic, packet.payload, packet.qos, packet.retain, True, packet.packet_id, packet.properties)
