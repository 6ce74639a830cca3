"""The MQTT client: connects, and connects again, with gaps that grow; logs as esp-mqtt and esp-tls do.

The log lines are those that a person finds on a real board (`Error transport connect`, `MQTT connect failed`,
`No PING_RESP, disconnected`), so that what is learnt here can be read there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hil.virtual.firmware.backoff import Backoff
from hil.virtual.firmware.connection import Connection, ConnectionEnded, GoneInOrder, NoPingResponse
from hil.virtual.firmware.credentials import Credentials, CredentialsError
from hil.virtual.firmware.heap import Heap
from hil.virtual.firmware.network import Network, NetworkError
from hil.virtual.firmware.session import OutboxFull, Session
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.system import System
from hil.virtual.firmware.tls import ALL_ERRORS, CHAIN_ERRORS, NO_MEMORY, VERIFY_FAILED, Identity, TlsError, TlsStream
from hil.wire.mqtt import Connack, Connect, Disconnect, Properties, ProtocolError, Publish, Version, Will

TAG = "mqtt_client"

_SESSION_EXPIRY = 3600
"""Seconds for which an MQTT 5 broker is asked to keep the session, where clean is 0."""

# Numbers that esp-tls gives to what failed (esp_tls_errors.h): base 0x8000.
_CANNOT_RESOLVE, _CANNOT_CONNECT, _TIMED_OUT, _HANDSHAKE_FAILED = 0x8001, 0x8004, 0x8006, 0x801A

REFUSALS = {
    1: "bad protocol",
    2: "client id rejected",
    3: "server unavailable",
    4: "bad username or password",
    5: "not authorized",
    0x84: "bad protocol",
    0x85: "client id rejected",
    0x86: "bad username or password",
    0x87: "not authorized",
    0x88: "server unavailable",
}
"""CONNACK codes in esp-mqtt's words: return codes of MQTT 3.1.1 (table 3.1), reason codes of MQTT 5 (table 3-1)."""


class ConnectFailed(Exception):
    """A try to connect has failed; the log has said why."""


class Client:
    """Connects as long as it may. `connected` is set while CONNACK was good and the connection stands.

    `on_connected(session_kept)` is called when it is, before anything else is sent; `on_message` with each message.
    """

    def __init__(
        self, system: System, network: Network, settings: Settings, credentials: Credentials, heap: Heap
    ) -> None:
        self._system = system
        self._network = network
        self._settings = settings
        self._credentials = credentials
        self._heap = heap
        self._version = Version.V5 if settings.mqtt_version == "5" else Version.V311
        self.session = Session(self._version)
        self._backoff = Backoff(settings.retry_first, settings.retry_max, constant=system.build.has("fixed-retry"))
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

    def subscribe(self, topic: str) -> asyncio.Future[int] | None:
        """Subscribe at QoS 1 if there is a connection (None if not); the future ends with the code of its SUBACK."""
        if self._connection is None:
            return None
        packet, done = self.session.subscribe(topic, self._now())
        self._connection.send(packet)
        self._system.log("I", "app", f"subscribe request sent, topic {topic}, msg_id={packet.packet_id}")
        return done

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
        """Connect, serve, connect again; returns only if this firmware was built without retry."""
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
            except ConnectFailed:
                pass
            if self._system.build.lacks("retry"):
                self._system.log("E", "app", "not connected, giving up")
                return
            gap = self._backoff.next()
            self._system.log("I", TAG, f"Reconnect after {gap} ms")
            await asyncio.sleep(gap / 1000)

    async def _once(self) -> None:
        tls = await self._open()
        try:
            connection = Connection(
                tls,
                self._settings,
                self.session,
                self.on_message,
                pings=not self._system.build.has("no-keepalive"),
                polite=not self._system.build.has("rude-disconnect"),
            )
            kept = await self._handshake(connection)
            await self._serve(connection, kept)
        finally:
            self._heap.tls = False
            await tls.close()

    async def _open(self) -> TlsStream:
        """TCP and TLS; raises ConnectFailed after having logged why."""
        settings, log = self._settings, self._system.log
        log("I", TAG, f"connecting to {settings.host}:{settings.port}")
        try:
            self._credentials.tell(log)
            if self._heap.free() < self._heap.HANDSHAKE:
                raise TlsError(NO_MEMORY, "not enough memory")
            stream = await self._network.connect(settings.host, settings.port, settings.connect_ms / 1000)
        except CredentialsError:
            raise self._failed(_HANDSHAKE_FAILED) from None
        except NetworkError as error:
            raise self._failed(self._log_connect_error(error)) from None
        except TlsError as error:
            self._log_tls_error(error)
            raise self._failed(_HANDSHAKE_FAILED) from None
        try:
            tls = TlsStream(stream, self._identity())
            await tls.handshake(settings.connect_ms / 1000)
        except TlsError as error:
            await stream.close()
            self._log_tls_error(error)
            raise self._failed(_HANDSHAKE_FAILED) from None
        self._heap.tls = True
        return tls

    def _identity(self) -> Identity:
        build, settings = self._system.build, self._settings
        server = settings.sni or settings.host
        return Identity(
            trusted=self._credentials.trusted,
            chain=self._credentials.chain,
            key=self._credentials.key,
            now=None if build.lacks("date-checks") else self._system.clock.now(),
            name=None if build.lacks("name-check") else server,
            server=server,
            newest=settings.tls_max,
            forgives=self._forgiven(),
        )

    def _forgiven(self) -> frozenset[int]:
        if self._system.build.lacks("server-verification"):
            return ALL_ERRORS
        return CHAIN_ERRORS if self._system.build.lacks("chain-checks") else frozenset()

    async def _handshake(self, connection: Connection) -> bool:
        """CONNECT and CONNACK; whether the broker kept the session."""
        log = self._system.log
        try:
            async with asyncio.timeout(self._settings.connect_ms / 1000):
                answer = await connection.exchange(self._connect_packet())
        except TimeoutError:
            log("E", TAG, "no CONNACK in time")
        except (ConnectionEnded, NetworkError, TlsError, ProtocolError) as error:
            self._log_lost(error)
        else:
            if isinstance(answer, Connack) and answer.code == 0:
                stated = answer.properties.get("server_keep_alive")
                if isinstance(stated, int):
                    connection.keep_alive = stated  # [MQTT-3.1.2-21]
                return answer.session_present
            if isinstance(answer, Connack):
                words = REFUSALS.get(answer.code, f"reason 0x{answer.code:02x}")
                log("W", TAG, f"Connection refused, {words}")
            else:
                log("E", TAG, f"Invalid MSG_TYPE response: {type(answer).__name__}")
        log("E", TAG, "MQTT connect failed")
        self._heap.failed_connect()
        raise ConnectFailed

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
            self._log_lost(error)
        finally:
            steady.cancel()
            self._connection = None
            self.connected.clear()
        raise ConnectFailed

    def _connect_packet(self) -> Connect:
        settings, build = self._settings, self._system.build
        will = None
        if settings.will_topic and not build.lacks("will"):
            topic = f"foreign/{settings.client_id}/status" if build.has("foreign-will") else settings.will_topic
            retain = bool(settings.will_retain) or build.has("retained-will")
            will = Will(topic, settings.will_payload.encode(), settings.will_qos, retain)
        properties: Properties = {}
        if self._version is Version.V5 and not settings.clean:
            properties = {"session_expiry_interval": _SESSION_EXPIRY}
        return Connect(
            client_id=settings.client_id,
            version=self._version,
            clean=bool(settings.clean),
            keep_alive=settings.keep_alive,
            username=settings.user or None,
            password=settings.password.encode() if settings.password else None,
            will=will,
            properties=properties,
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # -- the log --------------------------------------------------------------------------------------------------

    def _failed(self, number: int) -> ConnectFailed:
        log = self._system.log
        log("E", "esp-tls", "Failed to open new connection")
        log("E", "transport_base", f"Failed to open a new connection: {number}")
        log("E", TAG, "Error transport connect")
        self._heap.failed_connect()
        return ConnectFailed()

    def _log_connect_error(self, error: NetworkError) -> int:
        log = self._system.log
        if error.phase == "resolve":
            log("E", "esp-tls", f"couldn't get hostname for :{self._settings.host}: getaddrinfo() returns 202")
            return _CANNOT_RESOLVE
        if error.name == "ETIMEDOUT":
            log("E", "esp-tls", "select() timeout")
            return _TIMED_OUT
        log("E", "esp-tls", f"delayed connect error: {error.words} (errno {error.number})")
        return _CANNOT_CONNECT

    def _log_tls_error(self, error: TlsError) -> None:
        log = self._system.log
        log("E", "esp-tls-mbedtls", f"mbedtls_ssl_handshake returned -0x{-error.code:04X} ({error.detail})")
        if error.code == VERIFY_FAILED:
            log("I", "esp-tls-mbedtls", "Failed to verify peer certificate!")
            log("I", "esp-tls-mbedtls", f"verification info: flags 0x{error.flags:x}, {error.verification}")

    def _log_lost(self, error: Exception) -> None:
        log = self._system.log
        match error:
            case NoPingResponse():
                log("E", TAG, "No PING_RESP, disconnected")
            case NetworkError(phase="write"):
                log("E", TAG, f"Writing failed: errno={error.number}")
            case NetworkError():
                log("E", TAG, f"transport_read() error: errno={error.number} ({error.words})")
            case TlsError():
                log("E", "esp-tls-mbedtls", f"mbedtls_ssl_read returned -0x{-error.code:04X} ({error.detail})")
            case _:
                log("W", TAG, f"connection lost: {error}")
