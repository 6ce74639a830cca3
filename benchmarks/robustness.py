"""What idlers and floods do to the gateway: python benchmarks/robustness.py

Beside mosquitto's own TLS listener, in the same run, with the same certificates:

- memory that a connection takes which only sits there, as growth of the process: TCP alone, and an MQTT session
  through TLS. The gateway's sessions have a second connection each, to the broker, and events on a timeline.
- PINGREQ to PINGRESP of a live session while others connect and go away as fast as they can, against the same without
  them: of the median, and of the slowest in a hundred. In turns.

No figure was asked for; the tests hold the gateway to bounds of their own (tests/harness/test_gateway_robustness.py).
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event as Flag
from pathlib import Path

import psutil

from hil.broker import Mosquitto
from hil.broker.mosquitto import free_port
from hil.timeline import Timeline
from hil.wire.mqtt import Pingreq, Pingresp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "harness"))
from certificates import pki
from gateway_bench import Device
from gateway_process import GatewayProcess

Endpoint = tuple[str, int]


class Target:
    """A TLS endpoint, another one of the same process to flood (another board's, where there is one), the process."""

    def __init__(self, name: str, endpoint: Endpoint, flooded: Endpoint, pid: int, gateway: GatewayProcess) -> None:
        self.name = name
        self.endpoint = endpoint
        self.flooded = flooded
        self._process = psutil.Process(pid)
        self._gateway = gateway

    def session(self, client_id: str) -> Device:
        device = Device(self.endpoint, self._gateway.folder, context=self._gateway.context)
        device.connect(client_id)
        return device

    def growth(self, count: int, make: Callable[[int], object]) -> float:
        """KiB that each of `count` things takes, after a tenth of them to warm up."""
        kept = [make(number) for number in range(count // 10)]
        time.sleep(0.5)
        before = self._process.memory_info().rss
        kept += [make(number) for number in range(count // 10, count)]
        time.sleep(1.0)
        grown = (self._process.memory_info().rss - before) / (count - count // 10) / 1024
        for one in kept:
            (one.socket if isinstance(one, Device) else one).close()  # type: ignore[attr-defined]
        time.sleep(1.0)
        return grown


def flood(endpoint: Endpoint, stop: Flag) -> None:
    """A process: connect and go away, without end."""
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection(endpoint, timeout=5) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def flooded(endpoint: Endpoint) -> Iterator[None]:
    stop = multiprocessing.Event()
    process = multiprocessing.Process(target=flood, args=(endpoint, stop))
    process.start()
    time.sleep(0.3)
    try:
        yield
    finally:
        stop.set()
        process.join()


def pings(device: Device, count: int) -> list[float]:
    """Round trips in milliseconds."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        device.send(Pingreq())
        assert device.receive() == Pingresp()
        found.append((time.perf_counter() - began) * 1000)
    return found


def memory(benches: Callable[[], contextlib.AbstractContextManager[list[Target]]], quick: bool) -> None:
    """Each with fresh processes: memory that was in use once does not grow when it is used again."""
    print("idle connections, KiB each:")
    idle, sessions = (200, 100) if quick else (1000, 400)

    def tcp(target: Target) -> float:
        return target.growth(idle, lambda number: socket.create_connection(target.endpoint))

    def session(target: Target) -> float:
        return target.growth(sessions, lambda number: target.session(f"idle-{number}"))

    for words, count, grown_by in (("TCP alone", idle, tcp), ("TLS and MQTT", sessions, session)):
        with benches() as targets:
            grown = {target.name: grown_by(target) for target in targets}
        ratio = grown["gateway"] / max(grown["mosquitto"], 0.1)
        print(f"  {words}, {count}: " + ", ".join(f"{n} {k:.1f}" for n, k in grown.items()) + f"; {ratio:.1f} times")


def latency(targets: list[Target], quick: bool) -> None:
    rounds, count = (2, 300) if quick else (6, 500)
    calm: dict[str, list[float]] = {t.name: [] for t in targets}
    busy: dict[str, list[float]] = {t.name: [] for t in targets}
    for number in range(rounds):
        for target in targets if number % 2 else reversed(targets):
            device = target.session("live")
            calm[target.name] += pings(device, count)
            with flooded(target.flooded):
                busy[target.name] += pings(device, count)
            device.vanish()
    print("ping of a live session, ms: median and slowest in a hundred, calm -> flooded")
    for target in targets:
        parts = []
        for part, cut in (("median", 50), ("99 %", 99)):
            before, after = (statistics.quantiles(f[target.name], n=100)[cut - 1] for f in (calm, busy))
            parts.append(f"{part} {before:.3f} -> {after:.3f} ({after / before:.1f} times)")
        print(f"  {target.name}: " + ", ".join(parts))


@contextlib.contextmanager
def bench() -> Iterator[list[Target]]:
    """A gateway and a mosquitto with a TLS listener, both new."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        files = {"ca": pki().root.pem, "server": pki().server.chain_pem, "key": pki().server.key_pem}
        for name, content in files.items():
            (folder / f"{name}.pem").write_bytes(content)
        port = free_port("127.0.0.1")
        tls = {
            "listener": f"{port} 127.0.0.1",
            "cafile": str(folder / "ca.pem"),
            "certfile": str(folder / "server.pem"),
            "keyfile": str(folder / "key.pem"),
            "require_certificate": "true",
            "log_type": "error",
        }
        with (
            Mosquitto(Timeline(), folder / "broker", options=tls) as broker,
            GatewayProcess(folder, broker.port) as gateway,
        ):
            assert broker.pid is not None
            direct = ("127.0.0.1", port)
            yield [
                Target("gateway", gateway.endpoints["b"], gateway.endpoints["a"], gateway.process.pid, gateway),
                Target("mosquitto", direct, direct, broker.pid, gateway),
            ]


def main() -> None:
    parser = argparse.ArgumentParser(description="idle connections and floods: the gateway beside mosquitto")
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    quick = parser.parse_args().quick
    memory(bench, quick)
    with bench() as targets:
        latency(targets, quick)


if __name__ == "__main__":
    main()
