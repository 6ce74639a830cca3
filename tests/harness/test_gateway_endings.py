"""How MQTT connections through the gateway end, and for whom the will comes, before a real mosquitto."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path

import pytest
from gateway_bench import Bench, mosquitto

from hil.timeline import where
from hil.wire.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Version,
    Will,
    encode,
)

V311, V5 = Version.V311, Version.V5
BOTH = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
WILL = Will("dev/status", b"offline", qos=1, retain=True)


@BOTH
def test_no_will_after_disconnect(bench: Bench, version: Version) -> None:
    device = bench.device(version=version)
    device.connect(will=WILL)
    device.send(Disconnect())
    device.drop()
    assert bench.end_of() == ("device", "disconnect")
    bench.no_will_comes(WILL)


@BOTH
def test_a_will_after_a_fin(bench: Bench, version: Version) -> None:
    device = bench.device(version=version)
    device.connect(will=WILL)
    device.drop()
    assert bench.end_of() == ("device", "fin")
    assert bench.wait("close")["seconds"] > 0
    assert bench.will_comes(WILL).get("retain") is True
    assert bench.monitor is not None
    assert bench.monitor.retained("dev/status") == b"offline"


def test_a_will_after_a_reset(bench: Bench) -> None:
    device = bench.device()
    device.connect(will=WILL)
    device.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    device.drop()
    assert bench.end_of() == ("device", "reset")
    bench.will_comes(WILL)


@BOTH
def test_a_silent_device_is_closed_after_one_and_a_half_keep_alives_and_its_will_comes(
    bench: Bench, version: Version
) -> None:
    device = bench.device(version=version)
    # An even number: mosquitto counts 1.5 keep-alives in whole seconds, and must not be the first to give up.
    device.connect(keep_alive=2, will=WILL)
    assert bench.end_of() == ("gateway", "keep-alive")
    close, connack = bench.wait("close"), bench.wait("connack")
    assert close.monotonic - bench.wait("connect").monotonic > 2.99
    assert bench.will_comes(WILL).monotonic > connack.monotonic
    if version is V5:
        assert device.receive() == Disconnect(0x8D)
    assert device.is_closed()


@pytest.mark.parametrize(("version", "told"), [(V311, False), (V5, False), (V5, True)])
def test_a_silence_that_the_broker_notices_first_is_a_silence_all_the_same(
    tmp_path: Path, version: Version, told: bool
) -> None:
    """On a busy host the gateway comes to look only after the broker, which counts the same keep-alive, has closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, Bench(tmp_path, listener.getsockname()[:2], monitor=False) as bench:
        device = bench.device(version=version)
        device.send(Connect("silent", version=version, keep_alive=60))
        upstream, _ = listener.accept()
        with upstream:
            upstream.sendall(encode(Connack(), version))
            assert isinstance(device.receive(), Connack)
            (connection,) = bench.gateway._house.connections
            connection.patience._heard -= 90  # as long ago as it may be
            if told:
                upstream.sendall(encode(Disconnect(0x8D), version))
        assert bench.end_of() == ("gateway", "keep-alive")
        if version is V5:
            assert device.receive() == Disconnect(0x8D)
        assert device.is_closed()


def test_pings_keep_a_connection_open_beyond_its_keep_alive(bench: Bench) -> None:
    device = bench.device()
    device.connect(keep_alive=2)
    for _ in range(4):
        device.send(Pingreq())
        assert device.receive() == Pingresp()
        bench.timeline.never(where("gateway", "close"), seconds=0.8)
    assert bench.kinds().count("pingresp") == 4


def test_a_keep_alive_of_zero_never_ends(bench: Bench) -> None:
    device = bench.device()
    device.connect(keep_alive=0)
    with bench.raw("b") as other:
        other.close()
    bench.wait("close", "b")
    assert "close" not in bench.kinds("a")
    device.send(Pingreq())
    assert device.receive() == Pingresp()


def test_a_takeover_is_told_and_the_old_connection_ends(bench: Bench) -> None:
    old = bench.device("a")
    old.connect("same", will=WILL)
    new = bench.device("b")
    new.connect("same")
    assert bench.end_of(1) == ("broker", "takeover")
    assert old.is_closed()
    new.send(Pingreq())
    assert new.receive() == Pingresp()
    bench.will_comes(WILL)


def test_a_takeover_that_the_broker_tells_in_mqtt_5(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, Bench(tmp_path, listener.getsockname()[:2], monitor=False) as bench:
        device = bench.device(version=V5)
        device.send(Connect("same", version=V5))
        upstream, _ = listener.accept()
        with upstream:
            upstream.sendall(encode(Connack(), V5) + encode(Disconnect(0x8E), V5))
        assert isinstance(device.receive(), Connack)
        assert device.receive() == Disconnect(0x8E)
        assert bench.wait("disconnect", direction="down")["code"] == 0x8E
        assert bench.end_of() == ("broker", "takeover")


def test_a_broker_that_goes_away_is_who_closed(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, Bench(tmp_path, (broker.host, broker.port), monitor=False) as bench:
        device = bench.device()
        device.connect()
        broker.close()
        assert bench.end_of()[0] == "broker"
        assert device.is_closed()
        again = bench.device()
        again.send(Connect("again"))
        assert again.is_closed()
        close = bench.wait("close", connection=2)
        assert close["by"] == "broker"
        assert f"127.0.0.1:{broker.port} is not there" in close["reason"]
        broker.start()
        assert bench.device().connect() is not None


def test_drop_resets_the_device_and_the_will_comes(bench: Bench) -> None:
    device = bench.device()
    device.connect(will=WILL)
    assert bench.gateway.drop("b") == 0
    assert bench.gateway.drop("a") == 1
    assert bench.end_of() == ("gateway", "reset")
    with socket.socket(fileno=os.dup(device.socket.fileno())) as raw:
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
    bench.will_comes(WILL)


def test_closing_the_gateway_ends_every_connection(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    bench.gateway.close()
    assert bench.end_of() == ("gateway", "shutdown")
    with pytest.raises(ConnectionRefusedError):
        bench.raw()
    bench.gateway.close()
