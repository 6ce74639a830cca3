"""What the tests of the gateway stand on: a real mosquitto, a gateway in front of it, and a device made of sockets."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from certificates import NAME, Identity, client_context, pki

from hil.background import Loop
from hil.broker import Monitor, Mosquitto
from hil.gateway import Gateway, ServerIdentity
from hil.timeline import Event, Timeline, where
from hil.wire.mqtt import Connack, Connect, Decoder, Packet, Subscribe, Subscription, Version, Will, encode

LIMIT = 60.0
"""Seconds that a wait may take on a busy machine; none of them is meant to."""

DEVICE = pki().device
SERVER = ServerIdentity(pki().server.chain_pem, pki().server.key_pem)


class Bench:
    """A gateway for the boards 'a' and 'b' before `upstream`, with a timeline and a loop of its own."""

    def __init__(
        self,
        directory: Path,
        upstream: tuple[str, int] | None,
        *,
        monitor: bool = True,
        boards: Mapping[str, int] | None = None,
        **options: Any,
    ) -> None:
        self.directory = directory
        self.timeline = Timeline()
        self.loop = Loop()
        self.gateway = Gateway(
            self.timeline,
            self.loop,
            boards=boards or {"a": 0, "b": 0},
            upstream=upstream or ("127.0.0.1", 1),
            server=options.pop("server", SERVER),
            client_ca=options.pop("client_ca", pki().root.pem),
            **options,
        )
        self.monitor = Monitor(self.timeline, *upstream, mqtt5=True) if upstream and monitor else None
        self.begin = 0
        self.devices: list[Device] = []

    def __enter__(self) -> Bench:
        self.gateway.start()
        if self.monitor is not None:
            self.monitor.start()
            self.monitor.clear_retained()
        self.begin = self.timeline.mark()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for device in self.devices:
            device.vanish()
        self.gateway.close()
        if self.monitor is not None:
            self.monitor.close()
        self.loop.close()

    def device(self, board: str = "a", **options: Any) -> Device:
        """A device with its TLS up, as `board`."""
        made = Device(self.gateway.endpoint(board), self.directory, **options)
        self.devices.append(made)
        return made

    def raw(self, board: str = "a") -> socket.socket:
        """A TCP connection alone."""
        sock = socket.create_connection(self.gateway.endpoint(board), timeout=LIMIT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def wait(self, kind: str, board: str | None = "a", *, after: int = 0, **data: Any) -> Event:
        return self.timeline.wait(where("gateway", kind, board, **data), timeout=LIMIT, after=after)

    def end_of(self, connection: int = 1) -> tuple[str, str]:
        """By whom and how a connection ended: that is told once."""
        event = self.wait("close", None, connection=connection)
        assert len(self.timeline.events(where("gateway", "close", None, connection=connection))) == 1
        return event["by"], event["how"]

    def will_comes(self, will: Will) -> Event:
        """The broker publishes it."""
        assert self.monitor is not None
        return self.monitor.expect(will.topic, will.payload, timeout=LIMIT, after=self.begin)

    def no_will_comes(self, will: Will) -> None:
        """The broker is asked for something after the close; by its answer a will would have come."""
        assert self.monitor is not None
        mark = self.monitor.publish("after/close", b"", qos=1)
        self.monitor.expect("after/close", timeout=LIMIT, after=mark)
        assert not self.timeline.events(where("monitor", "message", None, topic=will.topic), after=self.begin)

    def kinds(self, board: str = "a") -> list[str]:
        return [e.kind for e in self.timeline.events(where("gateway", None, board))]


class Device:
    """A client on a blocking socket that sends what it is told, right or wrong."""

    def __init__(
        self,
        endpoint: tuple[str, int],
        directory: Path,
        *,
        version: Version = Version.V311,
        tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        identity: Identity | None = DEVICE,
        trust: Identity | None = None,
        name: str = NAME,
        session: ssl.SSLSession | None = None,
        context: ssl.SSLContext | None = None,
        strict: bool = False,
    ) -> None:
        self.version = version
        self.context = context or client_context(directory, device=identity, trust=trust, version=tls)
        raw = socket.create_connection(endpoint, timeout=LIMIT)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket = self.context.wrap_socket(raw, server_hostname=name, session=session)
        except (ssl.SSLError, OSError):
            raw.close()
            raise
        # Whatever comes, out of turn too: what the gateway sends is for the tests to judge. Brokers have codes of their
        # own, so a decoder that refuses what the standard forbids has to be asked for.
        self._decoder = Decoder(version, strict=strict, sender="either")
        self._packets: list[Packet] = []

    def send(self, *packets: Packet | bytes) -> None:
        self.socket.sendall(b"".join(p if isinstance(p, bytes) else encode(p, self.version) for p in packets))

    def receive(self) -> Packet:
        """The next packet. Raises EOFError when the gateway has closed."""
        while not self._packets:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the gateway closed the connection")
            self._packets += [packet for packet, _ in self._decoder.feed(data)]
        return self._packets.pop(0)

    def connect(self, client_id: str = "device-a", **options: Any) -> Connack:
        """CONNECT, and the CONNACK that comes."""
        self.send(Connect(client_id, version=self.version, **options))
        answer = self.receive()
        assert isinstance(answer, Connack)
        return answer

    def subscribe(self, topic: str, qos: int = 1, packet_id: int = 5) -> Packet:
        """SUBSCRIBE, and whatever comes."""
        self.send(Subscribe(packet_id, (Subscription(topic, qos),)))
        return self.receive()

    def hears_nothing(self, seconds: float = 0.3) -> None:
        """Nothing comes for so long."""
        self.socket.settimeout(seconds)
        with pytest.raises(TimeoutError):
            self.receive()
        self.socket.settimeout(LIMIT)

    def is_closed(self) -> bool:
        """Whether the gateway closes, or has closed, with nothing more to say."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def drop(self) -> None:
        """FIN without DISCONNECT, and without close_notify."""
        self.socket.close()

    def vanish(self) -> None:
        self.socket.close()


def mosquitto(directory: Path, timeline: Timeline | None = None, **options: Any) -> Mosquitto:
    return Mosquitto(Timeline() if timeline is None else timeline, directory / "mosquitto", **options)
