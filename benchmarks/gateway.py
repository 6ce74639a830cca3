"""What the gateway costs: python benchmarks/gateway.py

Two ratios, each with what it is compared to measured in the same run and in turns, so that a busy machine hits both.
Each round gives ratios of its own, each round begins with another of those compared, and the median round counts; the
quartiles beside it say how much the machine let them differ.

- ping: PINGREQ to PINGRESP through TLS, the gateway against a bare asyncio TLS proxy (create_server(ssl=...) on one
  side, create_connection to mosquitto on the other, bytes passed on unread). At most 2.
- throughput: a paho client publishes as fast as it can and another receives, through the gateway against mosquitto's
  own TLS listener (which needs the same client certificate). At least 0.9. The bare proxy is measured as well: on two
  cores, which clients and broker fill already, a process in between costs something whatever it does.

Gateway, proxy, mosquitto and clients are processes of their own. The gateway records every packet on a timeline that
is written to disk, as on a real bench.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hil.background import Loop
from hil.broker import Mosquitto
from hil.gateway import Gateway, ServerIdentity
from hil.timeline import Timeline
from hil.wire.mqtt import Connect, Disconnect, Pingreq, Version, encode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "harness"))
from certificates import Pki, pki

PING_LIMIT = 2.0
THROUGHPUT_LIMIT = 0.9
SIZE = 200
"""Bytes of a payload."""


# -- what is measured -------------------------------------------------------------------------------------------------


def run_gateway(files: Path, broker_port: int, told: Connection) -> None:
    """A process: the gateway."""
    timeline, loop = Timeline(files / "timeline.jsonl"), Loop()
    identity = ServerIdentity((files / "server.crt").read_bytes(), (files / "server.key").read_bytes())
    gateway = Gateway(
        timeline,
        loop,
        boards={"bench": 0},
        upstream=("127.0.0.1", broker_port),
        server=identity,
        client_ca=(files / "ca.crt").read_bytes(),
    )
    gateway.start()
    told.send(gateway.endpoint("bench")[1])
    with contextlib.suppress(EOFError):
        told.recv()


class Pump(asyncio.Protocol):
    """One side of the bare proxy: passes what it gets to the other side."""

    def __init__(self, other: Pump | None, upstream: int) -> None:
        self.other = other
        self.upstream = upstream
        self.transport: asyncio.Transport | None = None
        self.waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if self.other is None:
            asyncio.get_running_loop().create_task(self.connect())

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, self.other = await loop.create_connection(lambda: Pump(self, self.upstream), "127.0.0.1", self.upstream)
        for data in self.waiting:
            self.other.transport.write(data)  # type: ignore[union-attr]

    def data_received(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            self.waiting.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


def run_proxy(files: Path, broker_port: int, told: Connection) -> None:
    """A process: the bare asyncio TLS proxy."""

    async def serve() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files / "server.crt", files / "server.key")
        context.load_verify_locations(files / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Pump(None, broker_port), "127.0.0.1", 0, ssl=context)
        told.send(server.sockets[0].getsockname()[1])
        stop = asyncio.Event()
        loop.add_reader(told.fileno(), stop.set)
        await stop.wait()

    asyncio.run(serve())


@contextlib.contextmanager
def process(target: object, files: Path, broker_port: int) -> Iterator[int]:
    """Run one of the above; yields its port."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=target, args=(files, broker_port, theirs), daemon=True)  # type: ignore[arg-type]
    child.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        child.join(5)
        if child.is_alive():
            child.kill()


# -- the clients ------------------------------------------------------------------------------------------------------


def device_context(files: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(files / "ca.crt")
    context.load_cert_chain(files / "device.crt", files / "device.key")
    return context


class Pinger:
    """A bare MQTT client on a blocking TLS socket."""

    def __init__(self, files: Path, port: int) -> None:
        raw = socket.create_connection(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = device_context(files).wrap_socket(raw)
        self._socket.sendall(encode(Connect(f"ping-{port}", keep_alive=600), Version.V311))
        self._socket.recv(16)
        self._ping = encode(Pingreq(), Version.V311)

    def pings(self, count: int) -> list[float]:
        """Round trips in seconds."""
        found = []
        for _ in range(count):
            start = time.perf_counter()
            self._socket.sendall(self._ping)
            self._socket.recv(16)
            found.append(time.perf_counter() - start)
        return found

    def close(self) -> None:
        self._socket.sendall(encode(Disconnect(), Version.V311))
        self._socket.close()


def telemetry(size: int) -> bytes:
    """A payload as a device would send it."""
    return (b'{"temperature": 21.5, "humidity": 40, "uptime": 86400, "rssi": -61} ' * (size // 60 + 1))[:size]


def publish_and_receive(files: Path, port: int, messages: int, size: int, qos: int) -> float:
    """Messages a second from one paho client to another, both through `port`."""

    def client(name: str) -> tuple[paho.Client, threading.Event]:
        ready = threading.Event()
        made = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"{name}-{port}")
        made.tls_set_context(device_context(files))
        made.max_queued_messages_set(0)
        made.on_connect = lambda *_: ready.set()
        made.connect("127.0.0.1", port)
        made.loop_start()
        ready.wait(30)
        return made, ready

    publisher, _ = client("publisher")
    receiver, granted = client("receiver")
    granted.clear()
    receiver.on_subscribe = lambda *_: granted.set()
    receiver.subscribe("bench/throughput", qos)
    granted.wait(30)
    done = threading.Event()
    count = 0

    def on_message(*_: object) -> None:
        nonlocal count
        count += 1
        if count == messages:
            done.set()

    receiver.on_message = on_message
    payload = telemetry(size)
    start = time.perf_counter()
    for _ in range(messages):
        publisher.publish("bench/throughput", payload, qos)
    if not done.wait(120):
        raise SystemExit(f"only {count} of {messages} messages came through port {port} within 120 s")
    seconds = time.perf_counter() - start
    for one in (publisher, receiver):
        one.disconnect()
        one.loop_stop()
    return messages / seconds


# -- the comparison ---------------------------------------------------------------------------------------------------


def write_files(files: Path, made: Pki) -> None:
    for name, pem in (
        ("ca.crt", made.root.pem),
        ("server.crt", made.server.chain_pem),
        ("server.key", made.server.key_pem),
        ("device.crt", made.device.chain_pem),
        ("device.key", made.device.key_pem),
    ):
        (files / name).write_bytes(pem)


def measure(files: Path, arguments: argparse.Namespace) -> bool:
    write_files(files, pki())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        tls_port = probe.getsockname()[1]
    tls = {
        "listener": f"{tls_port} 127.0.0.1",
        "cafile": str(files / "ca.crt"),
        "certfile": str(files / "server.crt"),
        "keyfile": str(files / "server.key"),
        "require_certificate": "true",
        "log_type": "error",
        "max_inflight_messages": "20",
    }
    broker = Mosquitto(Timeline(), files / "broker", options=tls)
    with (
        broker,
        process(run_gateway, files, broker.port) as gateway,
        process(run_proxy, files, broker.port) as proxy,
    ):
        pings = ping_ratio(files, gateway, proxy, arguments)
        throughputs = throughput_ratios(files, {"direct": tls_port, "gateway": gateway, "proxy": proxy}, arguments)
    return pings <= PING_LIMIT and min(throughputs) >= THROUGHPUT_LIMIT


def in_turn(names: list[str], turn: int) -> list[str]:
    """The names in the order of this turn: each comes first as often as the others."""
    start = turn % len(names)
    return names[start:] + names[:start]


def ping_ratio(files: Path, gateway: int, proxy: int, arguments: argparse.Namespace) -> float:
    pingers = {"gateway": Pinger(files, gateway), "proxy": Pinger(files, proxy)}
    for pinger in pingers.values():
        pinger.pings(200)
    rounds: list[dict[str, float]] = []
    for turn in range(arguments.rounds):
        rounds.append({})
        for name in in_turn(list(pingers), turn):
            rounds[-1][name] = statistics.median(pingers[name].pings(arguments.pings // arguments.rounds))
    for pinger in pingers.values():
        pinger.close()
    ours, theirs = (statistics.median(one[name] for one in rounds) * 1e6 for name in ("gateway", "proxy"))
    ratio, spread = compare(rounds, "gateway", "proxy")
    print(f"ping through TLS, {arguments.rounds} rounds of {arguments.pings // arguments.rounds} each:")
    print(f"  gateway {ours:.0f} us, bare asyncio TLS proxy {theirs:.0f} us")
    print(f"  ratio {ratio:.2f} ({spread}; at most {PING_LIMIT:g})")
    return ratio


def throughput_ratios(files: Path, ports: dict[str, int], arguments: argparse.Namespace) -> list[float]:
    """Of QoS 1 and of QoS 0."""
    rounds: dict[int, list[dict[str, float]]] = {1: [], 0: []}
    for turn in range(-1, arguments.turns):  # the first warms up and does not count
        for qos in rounds:
            rates = {
                name: publish_and_receive(files, ports[name], arguments.messages, SIZE, qos)
                for name in in_turn(list(ports), turn)
            }
            if turn >= 0:
                rounds[qos].append(rates)
    print(
        f"throughput, {SIZE} bytes, paho to paho over TLS, {arguments.turns} rounds of {arguments.messages} messages:"
    )
    ratios = []
    for qos, found in rounds.items():
        gateway, direct, proxy = (statistics.median(r[name] for r in found) for name in ("gateway", "direct", "proxy"))
        ratio, spread = compare(found, "gateway", "direct")
        bare, bare_spread = compare(found, "proxy", "direct")
        print(f"  QoS {qos}: gateway {gateway:.0f}/s, direct {direct:.0f}/s, bare asyncio TLS proxy {proxy:.0f}/s")
        print(f"    ratio {ratio:.2f} ({spread}; at least {THROUGHPUT_LIMIT:g})")
        print(f"    the bare proxy's {bare:.2f} ({bare_spread})")
        ratios.append(ratio)
    return ratios


def compare(rounds: list[dict[str, float]], ours: str, theirs: str) -> tuple[float, str]:
    """The median of the rounds' ratios, and their quartiles in words."""
    ratios = [one[ours] / one[theirs] for one in rounds]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return middle, f"quartiles {low:.2f} and {high:.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pings", type=int, default=4000, help="pings each way (default 4000)")
    parser.add_argument("--rounds", type=int, default=20, help="turns that they are taken in (default 20)")
    parser.add_argument("--messages", type=int, default=3000, help="messages in each throughput run (default 3000)")
    parser.add_argument("--turns", type=int, default=9, help="rounds of throughput runs (default 9)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        good = measure(Path(directory), arguments)
    print("both within their limits" if good else "NOT within the limits")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
