"""The MQTT client: connects, and connects again, with gaps that grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hil.virtual.firmware import complaints, greeting
from hil.virtual.firmware.backoff import Backoff, shape
from hil.virtual.firmware.complaints import TAG
from hil.virtual.firmware.connection import ByBroker, Connection, ConnectionEnded, GoneInOrder
from hil.virtual.firmware.heap import Heap
from hil.virtual.firmware.network import Network, NetworkError
from hil.virtual.firmware.session import OutboxFull, Session
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.system import System
from hil.virtual.firmware.tls import TlsError
from hil.virtual.firmware.transport import CannotOpen, Transport
from hil.wire.mqtt import Connack, Disconnect, ProtocolError, Publish

PROTOCOL_ERROR = 0x82
"""MQTT 5's reason code for a peer that does what the protocol forbids (table 2-6)."""

DELIVERY_SECONDS = 2.0
"""Seconds that a message gets to reach the broker before the device restarts or disconnects."""


class ConnectFailed(Exception):
    """A try to connect has failed, or the connection is lost; the log has said why.

    `expired`: it was for our certificate, which has expired. TLS 1.3 tells that after the handshake (RFC 8446 4.4.2).
    """

    expired = False


class Refused(ConnectFailed):
    """The CONNACK says no."""


class SentAway(ConnectFailed):
    """The broker has ended a connection that it had accepted."""


class Client:
    """Connects as long as it may. `connected` is set while CONNACK was good and the connection stands.

    `on_connected(session_kept)` is called when it is, before anything else is sent; `on_message` with each message.
    """

    def __init__(self, system: System, network: Network, settings: Settings, transport: Transport, heap: Heap) -> None:
        self._system = system
        self._network = network
        self._settings = settings
        self._transport = transport
        self._heap = heap
        self.session = Session(greeting.version_of(settings), system.build)
        self._backoff = Backoff(settings.retry_first, settings.retry_max, shape(system.build))
        self._connection: Connection | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._wake_after: asyncio.TimerHandle | None = None
        self.connected = asyncio.Event()
        self.tries = 0
        self.on_connected: Callable[[bool], None] = lambda kept: None
        self.on_message: Callable[[Publish], None] = lambda message: None

    # -- what the application may ask -----------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> asyncio.Future[int] | None:
        """Send a message if there is a connection (None if not); the future ends with the code of its PUBACK."""
        if self._connection is None:
            return None
        try:
            packet, done = self.session.publish(topic, payload, qos, retain, self._now())
        except OutboxFull:
            self._system.log("W", TAG, f"outbox is full, message for {topic} dropped")
            return None
        self._connection.send(packet)
        return done

    def subscribe(self, *topics: str) -> asyncio.Future[int] | None:
        """Subscribe if there is a connection (None if not); the future ends with the worst code of its SUBACK."""
        if self._connection is None:
            return None
        packet, done = self.session.subscribe(topics, self._settings.cmd_qos, self._now())
        self._connection.send(packet)
        self._system.log("I", "app", f"subscribe request sent, topic {topics[0]}, msg_id={packet.packet_id}")
        return done

    async def delivered(self, done: asyncio.Future[int] | None) -> None:
        """Wait for what `publish` returned, but not for long."""
        if done is not None:
            await asyncio.wait([done], timeout=DELIVERY_SECONDS)

    def disconnect(self, again_after: float | None = None) -> None:
        """Send DISCONNECT and stay away, for so many seconds or until `reconnect`."""
        self._wanted.clear()
        if self._connection is not None:
            self._connection.send(Disconnect())
        if again_after is not None:
            self._wake_after = asyncio.get_running_loop().call_later(again_after, self.reconnect)

    def reconnect(self) -> None:
        """Connect again after `disconnect`."""
        if self._wake_after is not None:
            self._wake_after.cancel()
        self._wanted.set()

    # -- the loop -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, serve, connect again; returns only if this firmware was built to give up."""
        while True:
            await self._wanted.wait()
            await self._network.joined.wait()
            self.tries += 1
            try:
                await self._once()
            except GoneInOrder:
                self._system.log("I", TAG, "disconnected in order")
                self._backoff.reset()
                continue
            except (ConnectFailed, CannotOpen) as failure:
                if self._gives_up(failure):
                    self._system.log("E", "app", "not connected, giving up")
                    return
            gap = self._backoff.next()
            self._system.log("I", TAG, f"Reconnect after {gap} ms")
            await asyncio.sleep(gap / 1000)

    def _gives_up(self, failure: ConnectFailed | CannotOpen) -> bool:
        build = self._system.build
        if isinstance(failure, Refused) and build.has("hammer-refusals"):
            self._backoff.reset()
        if failure.expired and build.has("ends-with-certificate"):
            return True
        return build.lacks("retry") or (isinstance(failure, SentAway) and build.has("obey-disconnect"))

    async def _once(self) -> None:
        stream = await self._transport.open()
        try:
            connection = Connection(stream, self._settings, self.session, self.on_message, self._system.build)
            kept = await self._handshake(connection)
            await self._serve(connection, kept)
        finally:
            await self._transport.close(stream)

    async def _handshake(self, connection: Connection) -> bool:
        """CONNECT and CONNACK; whether the session goes on."""
        settings, build, log = self._settings, self._system.build, self._system.log
        failure = ConnectFailed()
        limit = None if build.has("endless-connack") else settings.connect_ms / 1000
        if limit is not None and build.has("impatient-connack"):
            limit /= 4
        try:
            async with asyncio.timeout(limit):
                answer = await connection.exchange(greeting.connect_packet(settings, build))
                if isinstance(answer, Connack) and answer.code == 0:
                    connection.keep_alive = greeting.keep_alive(answer, settings, build)
                    return greeting.session_kept(answer, settings, build)
            if isinstance(answer, Connack):
                complaints.refused(self._system, answer.code)
                failure = Refused()
            else:
                log("E", TAG, f"Invalid MSG_TYPE response: {type(answer).__name__}")
        except TimeoutError:
            log("E", TAG, "no CONNACK in time")
        except greeting.NotMySession:
            log("E", TAG, "session_present=1 although a clean start was asked for")
            await connection.refuse(PROTOCOL_ERROR)
        except (ConnectionEnded, NetworkError, TlsError, ProtocolError) as error:
            self._end_of(error)
            failure.expired = isinstance(error, TlsError) and error.own_certificate_expired
        log("E", TAG, "MQTT connect failed")
        self._heap.failed_connect()
        raise failure

    async def _serve(self, connection: Connection, kept: bool) -> None:
        self._system.log("I", TAG, f"connected, session_present={int(kept)}")
        self._connection = connection
        for packet in self.session.resume(kept, self._now()):
            connection.send(packet)
        self.on_connected(kept)
        self.connected.set()
        # Only a connection that has lasted as long as the longest gap ends the backoff: one that is cut off at once,
        # again and again, is no better than one that is refused.
        steady = asyncio.get_running_loop().call_later(self._settings.retry_max / 1000, self._backoff.reset)
        if not self._wanted.is_set():
            connection.send(Disconnect())
        try:
            await connection.run()
        except GoneInOrder:
            raise
        except (ConnectionEnded, NetworkError, TlsError, ProtocolError) as error:
            self._end_of(error)
            raise (SentAway if isinstance(error, ByBroker) else ConnectFailed) from None
        finally:
            steady.cancel()
            self._connection = None
            self.connected.clear()
            self._heap.ended_connection()

    def _end_of(self, error: Exception) -> None:
        complaints.lost(self._system, error)
        if isinstance(error, ProtocolError) and self._system.build.has("crash-malformed"):
            self._system.panic("LoadProhibited", ["Backtrace: 0x400d52c6:0x3ffb6120 0x400d4f0b:0x3ffb6150"])

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
