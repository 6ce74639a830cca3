"""The gateway under load and abuse: large payloads, slow readers, floods; nothing is lost and nothing piles up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from gateway_bench import LIMIT, Bench

from hil.broker import Mosquitto
from hil.gateway import Limits
from hil.timeline import where
from hil.wire.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Version,
    encode,
)


@pytest.fixture
def bench(broker: Mosquitto, tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, (broker.host, broker.port), monitor=False) as made:
        yield made


def test_a_large_payload_passes_whole_both_ways(bench: Bench) -> None:
    payload = os.urandom(3_000_000)
    device = bench.device()
    device.connect()
    device.send(Subscribe(1, (Subscription("big", 1),)))
    assert isinstance(device.receive(), Suback)
    device.send(Publish("big", payload, 1, packet_id=1))
    found = [device.receive(), device.receive()]
    assert Puback(1) in found
    assert [p.payload for p in found if isinstance(p, Publish)] == [payload]
    assert bench.wait("publish", direction="up")["payload"] == payload


def test_a_slow_reader_stops_the_brokers_side_and_then_gets_everything(tmp_path: Path) -> None:
    """Before a broker of our own that never stops sending by itself."""
    size, count = 100_000, 400
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(LIMIT)
    with listener, Bench(tmp_path, listener.getsockname()[:2], monitor=False) as bench:
        device = bench.device()
        device.send(Connect("slow"))
        upstream, _ = listener.accept()
        with upstream:
            upstream.sendall(encode(Connack(), Version.V311))
            sent = 0

            def flood() -> None:
                nonlocal sent
                for number in range(count):
                    upstream.sendall(encode(Publish("flood", number.to_bytes(4, "big") * (size // 4)), Version.V311))
                    sent += 1

            sender = threading.Thread(target=flood)
            sender.start()
            stuck = -1
            while stuck != sent:  # until it makes no progress for a while, which is what back-pressure looks like
                stuck = sent
                sender.join(0.5)
            assert sender.is_alive()
            assert sent * size < 30_000_000  # the kernel's buffers hold several MB, the gateway next to nothing
            assert isinstance(device.receive(), Connack)
            for number in range(count):
                packet = device.receive()
                assert isinstance(packet, Publish)
                assert packet.payload[:4] == number.to_bytes(4, "big")
            sender.join(LIMIT)
        assert sent == count


def test_a_slow_broker_stops_the_reading_of_the_board_and_is_no_silence_of_it(tmp_path: Path) -> None:
    size, count = 100_000, 300
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, Bench(tmp_path, listener.getsockname()[:2], monitor=False) as bench:
        device = bench.device()
        device.send(Connect("fast", keep_alive=1))
        upstream, _ = listener.accept()
        with upstream:
            upstream.settimeout(LIMIT)
            connect = upstream.recv(1000)
            upstream.sendall(encode(Connack(), Version.V311))
            assert isinstance(device.receive(), Connack)
            device.socket.settimeout(None)

            def flood() -> None:
                with contextlib.suppress(OSError):
                    for _ in range(count):
                        device.send(Publish("flood", bytes(size)))

            sender = threading.Thread(target=flood, daemon=True)
            sender.start()
            recorded = -1
            while recorded != len(bench.timeline):
                recorded = len(bench.timeline)
                sender.join(0.5)
            assert sender.is_alive()
            sender.join(2.0)  # longer than 1.5 keep-alives
            assert "close" not in bench.kinds()
            left = sum(len(encode(Publish("flood", bytes(size)), Version.V311)) for _ in range(count))
            while left:
                left -= len(upstream.recv(1_000_000))
            assert connect
            sender.join(LIMIT)
        publishes = bench.timeline.events(where("gateway", "publish", "a"))
        assert len(publishes) == count


def test_many_connects_one_after_the_other_leave_nothing_behind(bench: Bench) -> None:
    process = psutil.Process()

    def one(number: int) -> None:
        device = bench.device()
        device.connect(f"c{number}")
        device.send(Disconnect()) if number % 2 else None
        device.drop()
        bench.wait("close", connection=number)

    for number in range(1, 4):
        one(number)
    bench.devices.clear()
    files = process.num_fds()
    for number in range(4, 34):
        one(number)
        bench.devices.clear()

    async def settled() -> tuple[int, int, int]:
        gateway = bench.gateway
        for _ in range(200):
            if not gateway._house.connections and not gateway._upstreams:
                break
            await asyncio.sleep(0.05)
        return len(gateway._house.connections), len(gateway._upstreams), len(asyncio.all_tasks())

    assert bench.loop.run(settled()) == (0, 0, 1)
    assert process.num_fds() <= files + 2


def test_idle_connections_do_not_disturb_a_session(bench: Bench) -> None:
    device = bench.device("b")
    device.connect()
    idle = [bench.raw("a") for _ in range(200)]
    try:
        bench.timeline.wait_count(where("gateway", "accept", "a"), 200, timeout=LIMIT)
        device.send(Pingreq())
        assert device.receive() == Pingresp()
    finally:
        for sock in idle:
            sock.close()
    bench.timeline.wait_count(where("gateway", "close", "a"), 200, timeout=LIMIT)
    assert "close" not in bench.kinds("b")


def test_more_connections_than_allowed_are_refused_and_told(broker: Mosquitto, tmp_path: Path) -> None:
    limits = Limits(connections=3)
    with Bench(tmp_path, (broker.host, broker.port), monitor=False, limits=limits) as bench:
        devices = [bench.device("a") for _ in range(3)]
        with pytest.raises(ConnectionResetError), bench.raw("a") as raw:
            raw.recv(1)
        refused = bench.wait("refused")
        assert (refused["limit"], refused["reason"]) == ("connections", "3 connections are open already")
        bench.device("b").connect()
        devices[0].drop()
        bench.wait("close", connection=1)
        bench.device("a").connect("another")


def test_garbage_inside_tls_ends_that_connection_alone(bench: Bench) -> None:
    device = bench.device("b")
    device.connect()
    for seed in range(20):
        bad = bench.device("a")
        with contextlib.suppress(OSError):
            bad.send(bytes([0x10 if seed % 2 else 0x30]) + os.urandom(300))
        bad.drop()
    bench.timeline.wait_count(where("gateway", "close", "a"), 20, timeout=LIMIT)
    device.send(Pingreq())
    assert device.receive() == Pingresp()


def test_it_listens_where_it_is_told_and_nowhere_else(bench: Bench) -> None:
    ports = {bench.gateway.endpoint("a")[1], bench.gateway.endpoint("b")[1]}
    listening = {c.laddr for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN}
    ours = {(address.ip, address.port) for address in listening if address.port in ports}
    assert ours == {("127.0.0.1", port) for port in ports}
