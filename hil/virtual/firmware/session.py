"""The MQTT session: what outlives a connection. No input or output here, and no time of its own.

Which of our packets are without an answer, and what is to be sent again when:

| packet             | on a new connection, session kept | session lost          | no answer for `resend` (3.1.1 only) |
|--------------------|-----------------------------------|-----------------------|-------------------------------------|
| PUBLISH, QoS 1     | same id, DUP                      | as new: same id, no DUP | same id, DUP                      |
| SUBSCRIBE          | forgotten: the app subscribes anew | forgotten            | same id                             |

Sources: MQTT 3.1.1 section 4.4; MQTT 5 section 4.4, which forbids to send again while the connection lasts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from hil.wire.mqtt import (
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Version,
)

MAX_WAITING = 16
"""Publishes without an answer at most: a board's memory is small."""


class OutboxFull(Exception):
    """Too many messages wait for their PUBACK; this one was not taken."""


@dataclass(slots=True)
class _Waiting:
    packet: Publish | Subscribe
    sent: float
    done: asyncio.Future[int]


class Session:
    """One client's session. `publish` and `subscribe` make packets to be sent; `handle` takes those that arrive."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._last_id = 0
        self._waiting: dict[int, _Waiting] = {}
        self._received: set[int] = set()  # QoS 2 messages that are not released yet
        self.subscribed: set[str] = set()

    @property
    def waiting(self) -> int:
        """How many packets are without an answer."""
        return len(self._waiting)

    def publish(
        self, topic: str, payload: bytes, qos: int, retain: bool, now: float
    ) -> tuple[Publish, asyncio.Future[int]]:
        """A message; the future holds the code of its PUBACK (done at once for QoS 0). Raises OutboxFull."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if qos == 0:
            done.set_result(0)
            return Publish(topic, payload, retain=retain), done
        if len(self._waiting) >= MAX_WAITING:
            raise OutboxFull
        packet = Publish(topic, payload, qos=1, retain=retain, packet_id=self._next_id())
        self._waiting[self._last_id] = _Waiting(packet, now, done)
        return packet, done

    def subscribe(self, topic: str, now: float) -> tuple[Subscribe, asyncio.Future[int]]:
        """A subscription at QoS 1; the future holds the code of its SUBACK."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        packet = Subscribe(self._next_id(), (Subscription(topic, 1),))
        self._waiting[packet.packet_id] = _Waiting(packet, now, done)
        return packet, done

    def resume(self, kept: bool, now: float) -> list[Packet]:
        """A new connection; `kept` is the broker's session-present. What is to be sent again, in order."""
        if not kept:
            self.subscribed.clear()
            self._received.clear()
        again: list[Packet] = []
        for ident, item in list(self._waiting.items()):
            item.sent = now
            if isinstance(item.packet, Subscribe):
                item.done.cancel()
                del self._waiting[ident]
            else:
                item.packet = replace(item.packet, dup=kept)
                again.append(item.packet)
        return again

    def overdue(self, now: float, seconds: float) -> list[Packet]:
        """What has had no answer for so long, and may be sent again."""
        again: list[Packet] = []
        for item in self._waiting.values():
            if self._version is Version.V311 and now - item.sent >= seconds:
                item.sent = now
                if isinstance(item.packet, Publish):
                    item.packet = replace(item.packet, dup=True)
                again.append(item.packet)
        return again

    def handle(self, packet: Packet) -> tuple[list[Packet], Publish | None]:
        """A packet that arrived: what to answer, and the message to hand to the application, if there is one."""
        match packet:
            case Publish(qos=0):
                return [], packet
            case Publish(qos=1, packet_id=int(ident)):
                return [Puback(ident)], packet
            case Publish(qos=2, packet_id=int(ident)):
                fresh = ident not in self._received
                self._received.add(ident)
                return [Pubrec(ident)], packet if fresh else None
            case Pubrel(packet_id=ident):
                self._received.discard(ident)
                return [Pubcomp(ident)], None
            case Puback(packet_id=ident, code=code):
                self._answered(ident, code)
            case Suback(packet_id=ident, codes=codes):
                self._subscribed(ident, codes[0])
        return [], None

    def _subscribed(self, ident: int, code: int) -> None:
        item = self._waiting.get(ident)
        if item is not None and isinstance(item.packet, Subscribe) and code < 0x80:
            self.subscribed.add(item.packet.filters[0].filter)
        self._answered(ident, code)

    def _answered(self, ident: int, code: int) -> None:
        item = self._waiting.pop(ident, None)
        if item is not None and not item.done.done():
            item.done.set_result(code)

    def _next_id(self) -> int:
        for _ in range(65535):
            self._last_id = self._last_id % 65535 + 1
            if self._last_id not in self._waiting:
                break
        return self._last_id
