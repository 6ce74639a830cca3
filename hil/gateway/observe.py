"""Packets as the timeline tells them: each kind of packet to its event's kind and data. A password is no part of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal

from hil.timeline import Row
from hil.wire.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

Direction = Literal["up", "down"]
"""'up' comes from the device, 'down' goes to it."""


def _connect(packet: Connect, direction: Direction, connection: int) -> dict[str, Any]:
    return {
        "connection": connection,
        "client_id": packet.client_id,
        "version": str(packet.version),
        "clean": packet.clean,
        "keep_alive": packet.keep_alive,
        "username": packet.username,
        "will": _will(packet.will),
    }


def _will(will: Will | None) -> dict[str, Any] | None:
    if will is None:
        return None
    return {"topic": will.topic, "payload": will.payload, "qos": will.qos, "retain": will.retain}


def _publish(packet: Publish, direction: Direction, connection: int) -> dict[str, Any]:
    return {
        "connection": connection,
        "direction": direction,
        "topic": packet.topic,
        "payload": packet.payload,
        "qos": packet.qos,
        "retain": packet.retain,
        "dup": packet.dup,
        "packet_id": packet.packet_id,
    }


def _acknowledged(packet: Puback | Pubrec | Pubrel | Pubcomp, direction: Direction, connection: int) -> dict[str, Any]:
    return {"connection": connection, "direction": direction, "packet_id": packet.packet_id, "code": packet.code}


_KINDS: Final[dict[type[Any], tuple[str, Callable[[Any, Direction, int], dict[str, Any]]]]] = {
    Connect: ("connect", _connect),
    Connack: ("connack", lambda p, d, c: {"connection": c, "code": p.code, "session_present": p.session_present}),
    Publish: ("publish", _publish),
    Puback: ("puback", _acknowledged),
    Pubrec: ("pubrec", _acknowledged),
    Pubrel: ("pubrel", _acknowledged),
    Pubcomp: ("pubcomp", _acknowledged),
    Subscribe: (
        "subscribe",
        lambda p, d, c: {"connection": c, "packet_id": p.packet_id, "filters": [[s.filter, s.qos] for s in p.filters]},
    ),
    Suback: ("suback", lambda p, d, c: {"connection": c, "packet_id": p.packet_id, "codes": list(p.codes)}),
    Unsubscribe: (
        "unsubscribe",
        lambda p, d, c: {"connection": c, "packet_id": p.packet_id, "filters": list(p.filters)},
    ),
    Unsuback: ("unsuback", lambda p, d, c: {"connection": c, "packet_id": p.packet_id, "codes": list(p.codes)}),
    Pingreq: ("pingreq", lambda p, d, c: {"connection": c}),
    Pingresp: ("pingresp", lambda p, d, c: {"connection": c}),
    Disconnect: ("disconnect", lambda p, d, c: {"connection": c, "direction": d, "code": p.code}),
    Auth: ("auth", lambda p, d, c: {"connection": c, "direction": d, "code": p.code}),
}


class Record:
    """What one connection puts on the timeline: packets together, a read's worth at a time; all else at once.

    `write` must be called before anybody outside can know of the packets: before they are passed on or answered.
    """

    def __init__(self, take: Callable[[list[Row]], object], connection: int) -> None:
        self._take = take
        self._connection = connection
        self._rows: list[Row] = []

    def packet(self, packet: Packet, direction: Direction) -> None:
        """A packet; on the timeline from the next `write` or `event` on."""
        kind, facts = _KINDS[type(packet)]
        self._rows.append((kind, facts(packet, direction, self._connection)))

    def event(self, kind: str, **data: Any) -> None:
        """Something else, which is written at once, behind the packets before it."""
        self._rows.append((kind, {"connection": self._connection, **data}))
        self.write()

    def write(self) -> None:
        """Put on the timeline what is not there yet."""
        rows = self._rows
        if rows:
            self._rows = []
            self._take(rows)


class Aliases:
    """The topic aliases of one direction (MQTT 5 section 3.3.2.3.4), so that a message is known by its topic."""

    def __init__(self) -> None:
        self._topics: dict[int, str] = {}

    def resolve(self, packet: Publish) -> Publish:
        """The same message with its topic filled in. An alias that nobody set leaves the topic empty."""
        alias = packet.properties.get("topic_alias")
        if not isinstance(alias, int):
            return packet
        if packet.topic:
            self._topics[alias] = packet.topic
            return packet
        return replace(packet, topic=self._topics.get(alias, ""))
