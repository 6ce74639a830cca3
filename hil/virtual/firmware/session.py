"""The MQTT session: what outlives a connection. No input or output here, and no time of its own.

Which of our packets are without an answer, and what is to be sent again when:

| packet          | on a new connection, session kept      | session lost            | no answer for `resend`    |
|-----------------|----------------------------------------|-------------------------|---------------------------|
| PUBLISH, QoS 1  | same id, DUP                           | as new: same id, no DUP | same id, DUP (3.1.1 only) |
| PUBREL          | same id                                | same id                 | same id (3.1.1 only)      |
| SUBSCRIBE       | forgotten: the app subscribes anew     | forgotten               | same id                   |

Sources: MQTT 3.1.1 section 4.4; MQTT 5 section 4.4, which forbids to send a message again while the connection lasts
(of SUBSCRIBE it says nothing).

What arrives twice is handed on once: of QoS 2 until it is released (section 4.3.3), of QoS 1 if it is marked DUP and
is one of the last few, word for word. At QoS 1 the standard would allow either; a command is better obeyed once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace

from hil.virtual.firmware.build import Build
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

REMEMBERED = 8
"""Messages of QoS 1 that are known again when they come a second time."""


class OutboxFull(Exception):
    """Too many messages wait for their PUBACK; this one was not taken."""


@dataclass(slots=True)
class _Waiting:
    packet: Publish | Pubrel | Subscribe
    sent: float
    done: asyncio.Future[int]


class Session:
    """One client's session. `publish` and `subscribe` make packets to be sent; `handle` takes those that arrive."""

    def __init__(self, version: Version, build: Build) -> None:
        self._version = version
        self._build = build
        self._last_id = 0
        self._waiting: dict[int, _Waiting] = {}
        self._unreleased: set[int] = set()  # QoS 2 messages that arrived and are not released yet
        self._recent: deque[tuple[int, str, bytes]] = deque(maxlen=REMEMBERED)
        self.subscribed: set[str] = set()

    @property
    def waiting(self) -> int:
        """How many packets are without an answer."""
        return len(self._waiting)

    def publish(
        self, topic: str, payload: bytes, qos: int, retain: bool, now: float
    ) -> tuple[Publish, asyncio.Future[int]]:
        """A message; the future holds the code that ends its delivery (done at once for QoS 0). Raises OutboxFull."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if qos == 0:
            done.set_result(0)
            return Publish(topic, payload, retain=retain), done
        if len(self._waiting) >= MAX_WAITING:
            raise OutboxFull
        packet = Publish(topic, payload, qos=qos, retain=retain, packet_id=self._next_id())
        self._waiting[self._last_id] = _Waiting(packet, now, done)
        return packet, done

    def subscribe(self, topics: tuple[str, ...], qos: int, now: float) -> tuple[Subscribe, asyncio.Future[int]]:
        """A subscription to these topics; the future holds the worst code of its SUBACK."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        packet = Subscribe(self._next_id(), tuple(Subscription(topic, qos) for topic in topics))
        self._waiting[packet.packet_id] = _Waiting(packet, now, done)
        return packet, done

    def resume(self, kept: bool, now: float) -> list[Packet]:
        """A new connection; `kept` says that the broker has kept the session. What is to be sent again, in order."""
        if not kept:
            self.subscribed.clear()
            self._unreleased.clear()
            self._recent.clear()
        again: list[Packet] = []
        for ident, item in list(self._waiting.items()):
            item.sent = now
            if isinstance(item.packet, Subscribe) or self._build.has("lossy-outbox"):
                item.done.cancel()
                del self._waiting[ident]
            else:
                again.append(self._once_more(ident, item, dup=kept))
        return again

    def overdue(self, now: float, seconds: float) -> list[Packet]:
        """What has had no answer for so long, and may be sent again."""
        again: list[Packet] = []
        for ident, item in list(self._waiting.items()):
            if now - item.sent >= seconds and self._is_repeated(item.packet):
                item.sent = now
                again.append(self._once_more(ident, item, dup=True))
        return again

    def unacknowledged(self, now: float, seconds: float) -> bool:
        """Whether a message has had no answer for so long."""
        return any(now - w.sent >= seconds for w in self._waiting.values() if isinstance(w.packet, Publish))

    def _is_repeated(self, packet: Packet) -> bool:
        if isinstance(packet, Subscribe):
            return not self._build.lacks("subscribe-retry")
        return self._version is Version.V311 and not self._build.lacks("resend")

    def _once_more(self, ident: int, item: _Waiting, *, dup: bool) -> Packet:
        if isinstance(item.packet, Publish):
            if self._build.has("resend-new-id"):
                item.packet = replace(item.packet, packet_id=self._next_id())
                self._waiting[self._last_id] = self._waiting.pop(ident)
            else:
                item.packet = replace(item.packet, dup=dup)
        return item.packet

    def handle(self, packet: Packet) -> tuple[list[Packet], Publish | None]:
        """A packet that arrived: what to answer, and the message to hand to the application, if there is one."""
        match packet:
            case Publish(qos=0):
                return [], packet
            case Publish(qos=1, packet_id=int(ident)):
                answer: list[Packet] = [] if self._build.lacks("puback") else [Puback(ident)]
                return answer, packet if self._is_new(ident, packet) else None
            case Publish(qos=2, packet_id=int(ident)):
                fresh = ident not in self._unreleased or self._build.has("qos2-twice")
                self._unreleased.add(ident)
                return [Pubrec(ident)], packet if fresh else None
            case Pubrel(packet_id=ident):
                self._unreleased.discard(ident)
                return [Pubcomp(ident)], None
            case Pubrec(packet_id=ident, code=code):
                return self._received(ident, code), None
            case Puback(packet_id=ident, code=code):
                self._answered(ident, code, Publish)
            case Pubcomp(packet_id=ident, code=code):
                self._answered(ident, code, Pubrel)
            case Suback(packet_id=ident, codes=codes):
                self._subscribed(ident, codes)
        return [], None

    def _is_new(self, ident: int, packet: Publish) -> bool:
        seen = (ident, packet.topic, packet.payload)
        known = packet.dup and seen in self._recent and not self._build.has("dup-twice")
        self._recent.append(seen)
        return not known

    def _received(self, ident: int, code: int) -> list[Packet]:
        """PUBREC: the second half of a QoS 2 delivery, unless the broker does not want the message."""
        item = self._waiting.get(ident)
        if code >= 0x80:
            self._answered(ident, code, Publish)
            return []
        if item is not None and isinstance(item.packet, Publish):
            item.packet = Pubrel(ident)
        return [Pubrel(ident)]

    def _subscribed(self, ident: int, codes: tuple[int, ...]) -> None:
        item = self._waiting.get(ident)
        if item is None or not isinstance(item.packet, Subscribe):
            return
        for subscription, code in zip(item.packet.filters, codes, strict=False):
            if code < 0x80:
                self.subscribed.add(subscription.filter)
        self._answered(ident, max(codes, default=0), Subscribe)

    def _answered(self, ident: int, code: int, what: type[Packet]) -> None:
        """The end of a delivery. An answer to what was never sent is let pass: it ends nothing."""
        item = self._waiting.get(ident)
        if item is None or not isinstance(item.packet, what):
            return
        del self._waiting[ident]
        if not item.done.done():
            item.done.set_result(code)

    def _next_id(self) -> int:
        for _ in range(65535):
            self._last_id = self._last_id % 65535 + 1
            if self._last_id not in self._waiting:
                break
        return self._last_id
