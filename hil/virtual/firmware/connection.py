"""One MQTT connection, from CONNACK to its end: reads, writes, pings, sends again what has had no answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from hil.virtual.firmware.build import Build
from hil.virtual.firmware.network import NetworkError
from hil.virtual.firmware.plain import PlainStream
from hil.virtual.firmware.session import Session
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.tls import TlsError, TlsStream
from hil.wire.mqtt import Decoder, Disconnect, Packet, Pingreq, Pingresp, Publish, Version, encode


class ConnectionEnded(Exception):
    """The connection is over, for the reason that the text gives."""


class ByBroker(ConnectionEnded):
    """The broker has ended it, in order."""


class GoneInOrder(ConnectionEnded):
    """We have sent DISCONNECT, as somebody had asked us to."""


class NoPingResponse(ConnectionEnded):
    """The broker did not answer a ping within half of the keep-alive."""


class Connection:
    """A connection that can carry MQTT. `message` is called with each PUBLISH that arrives."""

    def __init__(
        self,
        stream: TlsStream | PlainStream,
        settings: Settings,
        session: Session,
        message: Callable[[Publish], None],
        build: Build,
    ) -> None:
        self._stream = stream
        self._settings = settings
        self._version = Version.V5 if settings.mqtt_version == "5" else Version.V311
        self._session = session
        self._message = message
        self._decoder = Decoder(self._version)
        self._arrived: list[Packet] = []
        self._outgoing: asyncio.Queue[Packet] = asyncio.Queue()
        self._build = build
        self.keep_alive = settings.keep_alive  # s; an MQTT 5 broker may state another one in its CONNACK
        self._ping_unanswered = False

    def send(self, packet: Packet) -> None:
        """Send a packet after those that wait already."""
        self._outgoing.put_nowait(packet)

    async def exchange(self, packet: Packet) -> Packet:
        """Send the first packet, return the first that comes back. Raises what reading and writing raise."""
        await self._write(packet)
        while not self._arrived:
            await self._read()
        return self._arrived.pop(0)

    async def refuse(self, code: int) -> None:
        """Tell an MQTT 5 broker why we end this connection before it has begun; the caller closes it."""
        with contextlib.suppress(NetworkError, TlsError):
            await self._write(Disconnect(code))

    async def run(self) -> None:
        """Serve the connection until it ends: raises ConnectionEnded, NetworkError, TlsError or ProtocolError."""
        work: list[Coroutine[Any, Any, None]] = [self._reads(), self._writes(), self._resends()]
        if self.keep_alive and not self._build.has("no-keepalive"):
            work.append(self._pinger())
        tasks = [asyncio.ensure_future(each) for each in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # An orderly end counts more than what the peer made of it.
            for task in sorted(done, key=lambda t: not isinstance(t.exception(), GoneInOrder)):
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        data = await self._stream.read()
        if not data:
            raise ByBroker("the broker closed the connection")
        self._arrived += [packet for packet, _ in self._decoder.feed(data)]
        if self._build.has("record-per-packet"):
            self._decoder = Decoder(self._version)  # what is not whole by now is thrown away

    async def _reads(self) -> None:
        while True:
            while self._arrived:
                packet = self._arrived.pop(0)
                if isinstance(packet, Pingresp):
                    self._ping_unanswered = False
                elif isinstance(packet, Disconnect):
                    raise ByBroker(f"the broker sent DISCONNECT, reason 0x{packet.code:02x}")
                answers, message = self._session.handle(packet)
                for answer in answers:
                    self.send(answer)
                if message is not None:
                    self._message(message)
            await self._read()

    async def _writes(self) -> None:
        while True:
            packet = await self._outgoing.get()
            if not (isinstance(packet, Disconnect) and self._build.has("rude-disconnect")):
                await self._write(packet)
            if isinstance(packet, Disconnect):
                raise GoneInOrder("disconnected")

    async def _write(self, packet: Packet) -> None:
        await self._stream.write(encode(packet, self._version), self._settings.connect_ms / 1000)

    async def _pinger(self) -> None:
        while True:
            await asyncio.sleep(self.keep_alive * (2 if self._build.has("late-ping") else 0.5))
            if self._ping_unanswered and not self._build.lacks("ping-check"):
                raise NoPingResponse("no PINGRESP within half of the keep-alive")
            self._ping_unanswered = True
            self.send(Pingreq())

    async def _resends(self) -> None:
        seconds = self._settings.resend / 1000
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(seconds / 4, 0.05) if seconds else 3600)
            if not seconds:
                continue
            if self._build.has("disconnect-unacknowledged") and self._session.unacknowledged(loop.time(), seconds):
                raise ConnectionEnded("no PUBACK in time")
            for packet in self._session.overdue(loop.time(), seconds):
                self.send(packet)
