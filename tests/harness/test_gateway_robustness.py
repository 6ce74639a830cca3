"""The gateway before whoever else is on the bench's network: idlers, floods, garbage, and no file left to open.

It runs in a process of its own, with a live board on it, whose pings must go on through all of it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from pathlib import Path

import psutil
import pytest
from gateway_bench import LIMIT, Bench, Device
from gateway_process import GatewayProcess

from hil import rig as rigs
from hil.background import Loop
from hil.broker import Mosquitto
from hil.gateway import Limits
from hil.gateway.crowd import Crowd, Refusal
from hil.gateway.descriptors import Descriptors
from hil.gateway.refusals import SINGLY, Refusals
from hil.parts import broker_side
from hil.timeline import Timeline, where
from hil.wire.mqtt import Pingreq, Pingresp


class LiveBoard:
    """A session on board 'b' that pings without pause from its entering on, and is fine at the end."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.gateway = gateway
        self.device: Device = gateway.device("b")
        self.device.connect("live")
        self.pings = 0
        self.error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ping)

    def _ping(self) -> None:
        try:
            while not self._stop.is_set():
                self.device.send(Pingreq())
                assert self.device.receive() == Pingresp()
                self.pings += 1
        except Exception as error:
            self.error = error

    def __enter__(self) -> LiveBoard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        before = self.pings
        deadline = time.monotonic() + LIMIT
        while self.pings < before + 3 and self.error is None and time.monotonic() < deadline:
            time.sleep(0.01)
        self._stop.set()
        self._thread.join(LIMIT)
        assert self.error is None
        assert self.pings >= before + 3, "the live board's pings are no longer answered"
        assert not self.gateway.events("close", "b"), "the live board lost its connection"
        self.device.vanish()


def test_a_thousand_idle_connections_take_little_and_disturb_nobody(broker: Mosquitto, tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, broker.port) as gateway, LiveBoard(gateway):
        before = gateway.memory()
        for _ in range(1000):
            gateway.raw("a")
        gateway.wait_events("accept", 1000)
        growth = (gateway.memory() - before) / 1000
        assert growth < 40 * 1024, f"{growth / 1024:.0f} KiB for each idle connection"  # 15 to 20 by measurement
        assert not gateway.events("refused")
        device = gateway.device("a")  # and there is room for the board itself
        device.connect("between")
        device.vanish()


def test_idle_sessions_take_little_too(broker: Mosquitto, tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, broker.port) as gateway, LiveBoard(gateway):
        sessions = [gateway.device("a") for _ in range(10)]
        before = gateway.memory()
        sessions += [gateway.device("a") for _ in range(100)]
        for number, one in enumerate(sessions):
            one.connect(f"idle-{number}")
        growth = (gateway.memory() - before) / 100
        for one in sessions:
            one.vanish()
        assert growth < 160 * 1024, f"{growth / 1024:.0f} KiB for each idle session"  # 40 to 60 by measurement


def flood(gateway: GatewayProcess, count: int) -> int:
    """Connect so often from many threads, and go away at once; how many got a RST instead of a connection, or none."""

    def some() -> None:
        for _ in range(count // 8):
            with contextlib.suppress(OSError), socket.create_connection(gateway.endpoints["a"], timeout=LIMIT) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    threads = [threading.Thread(target=some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    return count // 8 * 8


def test_of_a_flood_each_refusal_counts_and_few_events_tell_it(broker: Mosquitto, tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, broker.port, peer=50, rate=1.0) as gateway, LiveBoard(gateway):
        before = gateway.memory()
        count = flood(gateway, 2000)
        refused = gateway.wait_events("refused", count - 200)
        served = len(gateway.wait_events("accept", 50))
        deadline = time.monotonic() + LIMIT
        while served + sum(e["count"] for e in refused) < count and time.monotonic() < deadline:
            time.sleep(0.1)
            refused, served = gateway.events("refused"), len(gateway.events("accept"))
        assert served + sum(e["count"] for e in refused) == count, "a connection that nobody tells of"
        assert 50 <= served < 200
        assert len(refused) <= SINGLY + LIMIT  # a sum each second
        assert refused[0]["reason"] == "more than 1 connections a second from 127.0.0.1"
        assert refused[0]["peer"].startswith("127.0.0.1:")
        sums = [e for e in refused if e["count"] > 1]
        assert sums[0]["peers"] == {"127.0.0.1": sums[0]["count"]}
        assert gateway.memory() - before < 20_000_000


def test_garbage_oversized_lengths_and_slow_handshakes_end_with_their_own_connection(
    broker: Mosquitto, tmp_path: Path
) -> None:
    with GatewayProcess(tmp_path, broker.port, handshake=3.0) as gateway, LiveBoard(gateway):
        record = b"\x16\x03\x01"
        openings = [
            os.urandom(4000),
            record + b"\xff\xff" + bytes(70_000),  # a TLS record of 65,535 bytes: 16,384 are the most
            record + b"\x40\x00\x01\xff\xff\xff" + bytes(16_380),  # a ClientHello of 16 MB
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x10\xff\xff\xff\x7f",  # an MQTT CONNECT of 256 MB, without TLS
            record + b"\x02",  # and then silence
            b"",
        ]
        before = gateway.memory()
        for number in range(20 * len(openings)):
            with contextlib.suppress(OSError):
                gateway.raw("a").sendall(openings[number % len(openings)])
        gateway.wait_events("close", 20 * len(openings))
        failures = gateway.events("tls-failed")
        assert len(failures) == 20 * len(openings)
        assert sum("within 3 s" in e["reason"] for e in failures) >= 40
        assert gateway.memory() - before < 30_000_000


def test_with_no_file_left_newcomers_are_refused_and_told(broker: Mosquitto, tmp_path: Path) -> None:
    """Here the gateway is not let to keep any back, so that accepting itself fails."""
    with GatewayProcess(tmp_path, broker.port, files=80, files_left=-1000) as gateway, LiveBoard(gateway):
        socks = [gateway.raw("a") for _ in range(120)]
        refused = gateway.wait_events("refused", 120 - 80)
        assert {e["limit"] for e in refused} == {"files"}
        assert refused[0]["reason"].startswith("this process has no file descriptor left (Too many open files")
        served = len(gateway.events("accept"))
        assert served + sum(e["count"] for e in gateway.wait_events("refused", 120 - served)) == 120
        deadline = time.monotonic() + LIMIT
        while gateway.process.cpu_percent(0.3) > 90:  # for a while it has something to do, and then it must not spin
            assert time.monotonic() < deadline
        for sock in socks:
            sock.close()
        gateway.wait_events("close", served)
        device = gateway.device("a")
        device.connect("after")
        device.vanish()


def test_some_files_are_kept_back_and_idlers_make_room(broker: Mosquitto, tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, broker.port, files=100, files_left=40) as gateway, LiveBoard(gateway):
        for _ in range(120):
            gateway.raw("a")
        accepted = gateway.wait_events("accept", 120)
        assert not gateway.events("refused")
        gateway.wait_files(100 - 40)
        closed = gateway.events("close")
        assert len(accepted) - len(closed) > 30, "no more are ended than have to be"
        assert "its handshake was not done, and room was needed: " in closed[0]["reason"]
        assert "of this process's 100 file descriptors are in use" in closed[0]["reason"]
        numbers = [e["connection"] for e in closed]
        assert numbers == sorted(numbers), "the oldest first"
        device = gateway.device("a")
        device.connect("the board itself")
        device.vanish()


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.2"])
def test_it_listens_where_it_is_told_and_nowhere_else(broker: Mosquitto, tmp_path: Path, bind: str) -> None:
    with GatewayProcess(tmp_path, broker.port, bind=bind) as gateway:
        found = gateway.process.net_connections("all")
        listening = {tuple(c.laddr) for c in found if c.status == psutil.CONN_LISTEN}
        assert listening == set(gateway.endpoints.values())
        assert {host for host, _ in listening} == {bind}
        assert not [c for c in found if c.type == socket.SOCK_DGRAM]


@pytest.mark.parametrize(("said", "wanted"), [("", True), ("client_certificates = false", False)])
def test_it_wants_a_client_certificate_unless_the_rig_says_otherwise(
    broker: Mosquitto, tmp_path: Path, said: str, wanted: bool
) -> None:
    (tmp_path / "rig.toml").write_text(
        f'name = "r"\n[gateway]\n{said}\n[boards.a]\nport = "/dev/null"\nchip = "esp32"\n'
        f'contract = "{Path(__file__).parents[2]}/rigs/contracts/reference.toml"\nwifi = {{ ssid = "x" }}\n'
    )
    rig = rigs.load(tmp_path / "rig.toml")
    timeline, loop = Timeline(), Loop()
    authority = broker_side.authority(rig)
    gateway = broker_side.make_gateway(rig, broker, timeline, loop, authority)
    assert gateway is not None
    with gateway:
        import ssl

        broker_side.serve(rig, gateway, "a")
        context = ssl.create_default_context(cadata=authority.trust_anchors_pem.decode())
        with (
            contextlib.suppress(OSError),
            socket.create_connection(gateway.endpoint("a"), timeout=LIMIT) as raw,
            context.wrap_socket(raw, server_hostname=rig.file.gateway.name) as wrapped,
        ):
            wrapped.sendall(b"\x10")
            if wanted:
                wrapped.recv(1)
        timeline.wait(where("gateway", "close", "a"), timeout=LIMIT)
        kinds = {e.kind for e in timeline.events(where("gateway", None, "a"))}
    loop.close()
    assert ("tls" in kinds, "tls-failed" in kinds) == (not wanted, wanted)


# -- memory of what is not whole yet -----------------------------------------------------------------------------------


def test_packets_that_are_never_finished_are_bounded_together(broker: Mosquitto, tmp_path: Path) -> None:
    limits = Limits(unfinished=300_000)
    with Bench(tmp_path, (broker.host, broker.port), monitor=False, limits=limits) as bench:
        live = bench.device("b")
        live.connect("live")
        devices = [bench.device("a") for _ in range(4)]
        for number, device in enumerate(devices):
            device.connect(f"half-{number}")
            with contextlib.suppress(OSError):
                device.socket.sendall(b"\x30\x80\x80\x40" + bytes(100_000))  # a PUBLISH of 1 MB, a tenth of it
        closed = bench.wait("close")
        assert closed["reason"] == "unfinished packets of all boards take more than 300000 bytes"
        assert len(bench.timeline.events(where("gateway", "close", "a"))) <= 2
        for device in devices:
            device.drop()
        bench.timeline.wait_count(where("gateway", "close", "a"), 4, timeout=LIMIT)
        assert bench.loop.call(lambda: bench.gateway._house._unfinished) == 0
        live.send(Pingreq())
        assert live.receive() == Pingresp()


# -- who may come in ---------------------------------------------------------------------------------------------------


def test_room_by_address_by_board_and_in_all() -> None:
    crowd = Crowd(Limits(peer=2, connections=3, total=4, files_left=10), files=100)

    def come(board: str, peer: str, file: int = 5) -> str | None:
        refusal = crowd.refuse(board, peer, lambda: file, 0.0)
        if refusal is None:
            crowd.arrive(board, peer)
        return refusal.limit if refusal else None

    assert [come("a", "one"), come("a", "one")] == [None, None]
    crowd.leave("a", "one")
    crowd.arrive("a", "one")
    assert come("b", "two", file=90) == "files"
    assert come("a", "two") is None
    assert come("a", "three") == "connections"
    assert come("b", "two") is None
    assert come("b", "three") == "total"
    crowd.leave("a", "one")
    assert crowd.total == 3
    assert come("b", "three") is None


def test_descriptors_are_counted_from_when_a_high_number_was_given_out_until_none_is_left() -> None:
    """A number alone would say that there is room as soon as low ones come free below high ones."""
    numbers = set(range(10))
    looks = []

    def look() -> set[int]:
        looks.append(len(numbers))
        return numbers | {min(set(range(100)) - numbers)}

    def newest() -> int:
        numbers.add(number := min(set(range(100)) - numbers))
        return descriptors.beside(number)

    descriptors = Descriptors(12, look)
    assert [newest() for _ in range(2)] == [10, 11]
    assert not looks
    assert newest() == 12
    numbers -= {3, 4}
    assert [newest() for _ in range(2)] == [11, 12]
    assert len(looks) == 3
    numbers -= {5, 6, 12}
    assert newest() == 10
    assert newest() == 6
    assert len(looks) == 4, "no high number was left"


def test_where_descriptors_cannot_be_counted_their_number_has_to_do() -> None:
    def nowhere() -> list[int]:
        raise FileNotFoundError

    assert Descriptors(12, nowhere).beside(30) == 30


def test_the_rate_is_that_of_one_address_and_one_board() -> None:
    crowd = Crowd(Limits(peer=3, rate=10), files=1000)
    taken = [crowd.refuse("a", "one", lambda: 5, 0.0) for _ in range(4)]
    assert taken == [None, None, None, Refusal("rate", "more than 10 connections a second from one")]
    assert crowd.refuse("a", "two", lambda: 5, 0.0) is None
    assert crowd.refuse("b", "one", lambda: 5, 0.0) is None
    assert crowd.refuse("a", "one", lambda: 5, 0.15) is None
    assert crowd.refuse("a", "one", lambda: 5, 0.15) is not None


def test_addresses_without_number_do_not_fill_the_memory() -> None:
    crowd = Crowd(Limits(), files=1000)
    for number in range(6000):
        crowd.arrive("a", str(number))
        crowd.refuse("a", str(number), lambda: 5, 0.0)
        crowd.leave("a", str(number))
    assert len(crowd._rates) <= 4096
    assert not crowd._peers


def test_a_flood_is_summed_up_and_a_later_trickle_told_singly() -> None:
    told: list[dict[str, object]] = []
    loop = Loop()
    refusals = Refusals(lambda board, data: told.append({"board": board, **data}))
    rate = Refusal("rate", "too many")
    for number in range(SINGLY + 30):
        loop.call(lambda number=number: refusals.add("a", f"10.0.0.{number % 20}", number, rate))  # type: ignore[misc]
    loop.call(lambda: refusals.add("b", "10.0.0.1", 1, rate))
    assert len(told) == SINGLY + 1
    deadline = time.monotonic() + LIMIT
    while refusals._timer is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    (total,) = [e for e in told if e["count"] != 1]
    assert (total["count"], total["board"], len(total["peers"])) == (30, "a", 8)  # type: ignore[arg-type]
    loop.call(lambda: refusals.add("a", "10.0.0.1", 7, rate))
    assert told[-1]["peer"] == "10.0.0.1:7"
    for _ in range(SINGLY):
        loop.call(lambda: refusals.add("a", "10.0.0.1", 7, rate))
    loop.call(refusals.close)
    assert told[-1]["count"] == 1
    assert sum(int(str(e["count"])) for e in told) == 2 * SINGLY + 32
    loop.close()
