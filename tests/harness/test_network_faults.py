"""Faults of TCP and the network, as a device on a real TLS connection meets them."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_bench import LIMIT, Bench, Device

from hil.broker import Mosquitto
from hil.gateway import Bandwidth, BlackHole, Cut, Fault, Latency, Limits, Reset, Restart, Slice, SlowClose
from hil.schedule import Schedule
from hil.timeline import Event, where
from hil.wire.mqtt import Connect, Disconnect, Pingreq, Pingresp, Puback, Publish, Version, encode


@pytest.fixture
def clear(broker: Mosquitto, tmp_path: Path) -> Iterator[Bench]:
    """Without TLS: what is on the wire can be looked at."""
    options = {"server": None, "client_ca": None, "limits": Limits(keep_alive_grace=0.5)}
    with Bench(tmp_path, (broker.host, broker.port), **options) as made:
        yield made


def applied(bench: Bench, name: str) -> Event:
    return bench.wait("fault", name=name, state="applied")


def nothing_comes(sock: socket.socket, seconds: float = 0.3) -> None:
    """Neither bytes nor an end."""
    sock.settimeout(seconds)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    sock.settimeout(LIMIT)


def tcp_state(sock: socket.socket) -> int:
    """1 is ESTABLISHED: include/net/tcp_states.h of Linux."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def end_of(device: Device) -> str:
    """How the TCP connection ends, below TLS, for which an RST is as good as an end."""
    with socket.socket(fileno=os.dup(device.socket.fileno())) as tcp:
        tcp.settimeout(LIMIT)
        try:
            while tcp.recv(4096):
                pass
            return "fin"
        except ConnectionResetError:
            return "reset"


# -- black hole -------------------------------------------------------------------------------------------------------


def test_a_black_hole_leaves_an_open_connection_half_open_even_when_the_broker_gives_up(clear: Bench) -> None:
    """The gateway closes on the silence, and the broker publishes the will; the device's TCP hears nothing of it."""
    with clear.raw() as raw:
        raw.sendall(encode(Connect("hole", keep_alive=1), Version.V311))
        assert raw.recv(4) == b"\x20\x02\x00\x00"
        handle = clear.gateway.arm(BlackHole(), "a")
        close = clear.wait("close")
        assert (close["by"], close["how"]) == ("gateway", "keep-alive")
        nothing_comes(raw)
        assert tcp_state(raw) == 1
        raw.sendall(encode(Pingreq(), Version.V311))  # and it goes on without noticing
        nothing_comes(raw)
        handle.clear()
        with contextlib.suppress(ConnectionResetError):
            assert raw.recv(1) == b""
    assert clear.kinds().count("close") == 1
    assert "pingreq" not in clear.kinds()


def test_a_black_hole_takes_new_connections_and_answers_nothing(bench: Bench) -> None:
    bench.gateway.arm(BlackHole(), "a")
    with bench.raw() as raw:
        raw.sendall(b"\x16\x03\x01")
        assert applied(bench, "black-hole")["direction"] == "both"
        nothing_comes(raw)
    assert "tls-failed" not in bench.kinds()


def test_one_way_down_the_device_is_heard(bench: Bench) -> None:
    device = bench.device()
    device.connect(keep_alive=60)
    handle = bench.gateway.arm(BlackHole("down"), "a")
    device.send(Publish("up/t", b"heard", 1, packet_id=1), Pingreq())
    bench.wait("pingreq")
    assert bench.monitor is not None
    bench.monitor.expect("up/t", timeout=LIMIT, after=bench.begin)
    nothing_comes(device.socket)
    handle.clear()
    assert [device.receive(), device.receive()] == [Puback(1), Pingresp()]


def test_one_way_up_the_device_is_not_heard(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    handle = bench.gateway.arm(BlackHole("up"), "a")
    device.send(Pingreq())
    nothing_comes(device.socket)
    assert "pingreq" not in bench.kinds()
    bench.gateway.drop("a", "fin")  # the end goes down all the same
    assert end_of(device) in ("fin", "reset")
    handle.clear()


def test_a_reset_does_not_come_out_of_a_black_hole(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    with bench.gateway.fault(BlackHole(), "a"):
        assert bench.gateway.drop("a") == 1
        nothing_comes(device.socket)
        assert bench.gateway.connections("a") == []
    assert end_of(device) == "reset"


def test_what_a_black_hole_swallows_is_held_up_and_not_lost(bench: Bench) -> None:
    """Far more than buffers hold: the device's TCP has to wait, and all of it arrives when the network heals."""
    device = bench.device()
    device.connect()
    handle = bench.gateway.arm(BlackHole("up"), "a")
    applied(bench, "black-hole")
    payload = os.urandom(200_000)
    device.socket.settimeout(1)
    sent = 0
    frame = encode(Publish("bulk", payload), Version.V311)
    data = frame * 400
    with contextlib.suppress(TimeoutError):
        while sent < len(data):
            sent += device.socket.send(data[sent : sent + 16384])
    assert sent < len(data), "80 MB went into a hole that is not read"
    handle.clear()
    device.socket.settimeout(LIMIT)
    whole = -(-sent // len(frame))
    device.socket.sendall(data[sent : whole * len(frame)])
    device.send(Pingreq())
    bench.wait("pingreq")
    published = bench.timeline.events(where("gateway", "publish", "a", topic="bulk", direction="up"))
    assert [e["payload"] == payload for e in published] == [True] * whole


# -- reset and cut ----------------------------------------------------------------------------------------------------


def test_reset_at_once_hits_what_is_open_and_what_comes(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    bench.gateway.arm(Reset(), "a", Schedule(count=2))
    assert end_of(device) == "reset"
    with pytest.raises(ConnectionResetError), bench.raw() as raw:
        raw.recv(1)
    close = bench.wait("close")
    assert (close["by"], close["how"], close["fault"]) == ("gateway", "fault", "reset")
    bench.device().connect()


@pytest.mark.parametrize("fault", [Reset(0.2), Cut("fin", 0.2), Cut("reset", 0.2)], ids=repr)
def test_connections_end_some_time_after_their_connack(bench: Bench, fault: Fault) -> None:
    how = fault.parameters().get("how", "reset")
    bench.gateway.arm(fault, "a", Schedule(count=2))
    for number in (1, 2):
        device = bench.device()
        device.connect()
        assert end_of(device) == how
        connack = bench.wait("connack", connection=number)
        close = bench.wait("close", connection=number)
        assert close["fault"] == fault.name
        assert close.monotonic - connack.monotonic >= fault.parameters()["after"] - 0.01
    bench.device().connect()


def test_a_cut_that_was_cleared_in_time_does_not_come(bench: Bench) -> None:
    for _ in range(20):
        device = bench.device()
        with bench.gateway.fault(Cut(after=0.3), "a") as handle:
            device.connect()
        if not handle.applied:  # cleared in time, which a busy machine may not manage
            nothing_comes(device.socket, 0.6)
            return
    pytest.fail("never cleared in time")


def test_the_broker_restarts_under_the_board(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    handle = bench.gateway.arm(Restart(), "a")
    assert end_of(device) == "fin"
    with pytest.raises(ConnectionResetError), bench.raw() as raw:
        raw.recv(1)
    handle.clear()
    bench.device().connect()
    assert handle.applied == 2
    bench.gateway.arm(Restart(), "a", Schedule(seconds=0.1))
    bench.wait("fault", state="cleared", why="time is up")
    bench.device().connect()


# -- late, narrow, in pieces ------------------------------------------------------------------------------------------


def conversation(device: Device, count: int) -> list[int]:
    """QoS 1 messages, and the packet ids in the order of their answers."""
    device.send(*(Publish("talk", b"x" * 50, 1, packet_id=n + 1) for n in range(count)))
    found = []
    while len(found) < count:
        packet = device.receive()
        if isinstance(packet, Puback):
            found.append(packet.packet_id)
    return found


def test_latency_keeps_order_and_is_felt_both_ways(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    with bench.gateway.fault(Latency(0.1, jitter=0.1, seed=1), "a"):
        for start in range(3):
            assert conversation(device, 20) == list(range(1, 21)), start
    with bench.gateway.fault(Latency(0.15), "a"):
        begin = time.monotonic()
        device.send(Pingreq())
        assert device.receive() == Pingresp()
        assert time.monotonic() - begin >= 0.3
    assert conversation(device, 3) == [1, 2, 3]


def test_latency_delays_the_end_behind_what_was_said_before(bench: Bench) -> None:
    """A DISCONNECT and the FIN behind it: the one must not be lost to the other, or there is a will."""
    device = bench.device()
    device.connect()
    bench.gateway.arm(Latency(0.2), "a")
    device.send(*(Publish("last", b"%d" % n) for n in range(10)), Disconnect())
    device.drop()
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("device", "disconnect")
    assert len(bench.timeline.events(where("gateway", "publish", "a", topic="last", direction="up"))) == 10


def test_clearing_latency_brings_what_was_late_at_once(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    handle = bench.gateway.arm(Latency(3600, direction="down"), "a")
    device.send(Pingreq())
    bench.wait("pingresp")
    nothing_comes(device.socket, 0.1)
    handle.clear()
    assert device.receive() == Pingresp()


def test_a_narrow_line_loses_nothing(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    bench.gateway.arm(Bandwidth(200_000), "a")
    payload = os.urandom(60_000)
    begin = time.monotonic()
    device.send(Publish("big", payload, 1, packet_id=1))
    assert device.receive() == Puback(1)
    assert time.monotonic() - begin >= 60_000 / 200_000
    assert bench.wait("publish", topic="big")["payload"] == payload


def test_a_handshake_through_a_narrow_line(bench: Bench) -> None:
    bench.gateway.arm(Bandwidth(20_000, "down"), "a")
    bench.device().connect()
    assert applied(bench, "bandwidth").data["bytes_per_second"] == 20_000


def test_small_segments_are_small_and_complete(clear: Bench) -> None:
    with clear.gateway.fault(Slice(3, pause=3600), "a"), clear.raw() as raw:
        raw.sendall(encode(Connect("slice"), Version.V311))
        assert raw.recv(100) == b"\x20\x02\x00"
        nothing_comes(raw, 0.1)
    clear.gateway.arm(Slice(3, pause=0.05), "a")
    with clear.raw() as raw:
        raw.sendall(encode(Connect("slices"), Version.V311))
        raw.sendall(encode(Pingreq(), Version.V311) * 4)
        found = b""
        while len(found) < 4 + 8:
            found += raw.recv(100)
        assert found == b"\x20\x02\x00\x00" + b"\xd0\x00" * 4


def test_slices_of_one_byte_through_tls(bench: Bench) -> None:
    bench.gateway.arm(Slice(1, pause=0, direction="both"), "a")
    device = bench.device()
    device.connect()
    assert conversation(device, 10) == list(range(1, 11))


def test_a_slow_close_comes_late_whoever_closes(bench: Bench) -> None:
    bench.gateway.arm(SlowClose(0.4), "a")
    device = bench.device()
    device.connect()
    begin = time.monotonic()
    device.send(Disconnect())
    device.socket.shutdown(socket.SHUT_WR)  # raw FIN: no close_notify
    assert bench.wait("close")["how"] == "disconnect"
    end_of(device)
    assert time.monotonic() - begin >= 0.4

    other = bench.device()
    other.connect()
    begin = time.monotonic()
    bench.gateway.drop("a", "fin")
    end_of(other)
    assert time.monotonic() - begin >= 0.4


def test_stages_go_together_in_order(bench: Bench) -> None:
    for fault in (Latency(0.02, jitter=0.02), Slice(20, 0.0005, "both"), Bandwidth(100_000)):
        bench.gateway.arm(fault, "a")
    device = bench.device()
    device.connect()
    assert conversation(device, 30) == list(range(1, 31))
    names = [e["name"] for e in bench.timeline.events(where("gateway", "fault", "a", state="applied"))]
    assert names == ["latency", "slice", "bandwidth"]


def test_a_reset_by_the_device_is_still_told(bench: Bench) -> None:
    bench.gateway.arm(Latency(0.1), "a")
    device = bench.device()
    device.connect()
    device.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    device.drop()
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("device", "reset")


def test_a_gateway_with_lines_closes_at_once(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    bench.gateway.arm(BlackHole(), "a")
    bench.gateway.arm(Latency(3600), "b")
    with bench.raw("b"):
        bench.wait("fault", "b", state="applied")
        bench.gateway.close()
    assert end_of(device) in ("fin", "reset")
    assert bench.wait("close")["how"] == "shutdown"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BlackHole("sideways"), "black-hole: direction is 'sideways', expected one of both, up, down"),
        (lambda: Latency(-1), "latency: seconds is -1, expected 0 s or more"),
        (lambda: Latency(1, jitter=2), "latency: jitter is 2, expected at most seconds, which is 1"),
        (lambda: Bandwidth(0), "bandwidth: bytes_per_second is 0, expected 1 or more"),
        (lambda: Slice(0), "slice: size is 0, expected 1 byte or more"),
        (lambda: Slice(1, -1), "slice: pause is -1, expected 0 s or more"),
        (lambda: SlowClose(-1), "slow-close: seconds is -1, expected 0 s or more"),
        (lambda: Reset(-1), "reset: after is -1, expected 0 s or more"),
        (lambda: Cut("bang"), "cut: how is 'bang', expected one of fin, reset"),
        (lambda: Restart(refuse="fin"), "restart: refuse is 'fin', expected one of reset, no-answer"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, words: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=words):
        make()
