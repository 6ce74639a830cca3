"""The embedded broker: what it does behind the gateway, and that what it is said not to do, it does not."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from gateway_bench import LIMIT, Bench

from hil.broker import BrokerError, Embedded, Monitor
from hil.broker.embedded import LACKS
from hil.broker.mosquitto import accepts
from hil.timeline import Timeline, UnwantedEvent, where
from hil.wire.mqtt import (
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    ProtocolError,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Version,
    Will,
)

pytest.importorskip("amqtt")


@pytest.fixture(scope="module")
def broker() -> Iterator[Embedded]:
    with Embedded(Timeline()) as made:
        yield made


@pytest.fixture
def bench(broker: Embedded, tmp_path: Path) -> Iterator[Bench]:
    """The monitor of 3.1.1 clears what is retained, which takes a moment; so there is one for the whole module."""
    with Bench(tmp_path, (broker.host, broker.port), monitor=False) as made:
        yield made


@pytest.fixture
def monitor(bench: Bench, broker: Embedded) -> Iterator[Monitor]:
    with Monitor(bench.timeline, broker.host, broker.port, mqtt5=False) as made:
        yield made


def test_a_session_through_the_gateway(bench: Bench, monitor: Monitor) -> None:
    device = bench.device()
    assert device.connect("dev").code == 0
    device.send(Subscribe(1, (Subscription("dev/cmd", 1),)))
    assert device.receive() == Suback(1, (1,))
    mark = monitor.publish("dev/cmd", b"ping", 1)
    command = device.receive()
    assert isinstance(command, Publish)
    assert command.payload == b"ping"
    device.send(Puback(command.packet_id or 0), Publish("dev/answer", b"pong", 1, packet_id=7))
    assert device.receive() == Puback(7)
    monitor.expect("dev/answer", b"pong", timeout=LIMIT, after=mark)
    device.send(Pingreq())
    assert device.receive() == Pingresp()
    device.send(Disconnect())
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("device", "disconnect")


@pytest.mark.parametrize("how", ["fin", "keep-alive"])
def test_a_will_comes_when_the_gateway_lets_go(bench: Bench, monitor: Monitor, how: str) -> None:
    mark = bench.timeline.mark()
    device = bench.device()
    device.connect("dev", keep_alive=1, will=Will("dev/will", how.encode(), 1))
    if how == "fin":
        device.drop()
    assert bench.wait("close")["how"] == how
    monitor.expect("dev/will", how, timeout=LIMIT, after=mark)


def test_what_it_keeps_can_be_asked_for_and_cleared(bench: Bench, monitor: Monitor) -> None:
    device = bench.device()
    device.connect("dev")
    device.send(Publish("dev/status", b"online", 1, retain=True, packet_id=1))
    assert device.receive() == Puback(1)
    monitor.expect("dev/status", "online", timeout=LIMIT, after=0)
    assert monitor.retained("dev/status") == b"online"
    assert monitor.retained("dev/other") is None
    assert "dev/status" in monitor.clear_retained("dev/#")
    assert monitor.retained("dev/status") is None


def test_it_says_what_it_lacks(broker: Embedded) -> None:
    assert broker.lacks == LACKS
    assert not set(LACKS) & broker.capabilities
    assert set(LACKS) == {"mqtt5", "will-on-takeover", "persistent-sessions", "log"}
    assert all(reason.startswith("the embedded broker") for reason in LACKS.values())


def test_it_lacks_mqtt_5(bench: Bench) -> None:
    device = bench.device(version=Version.V5)
    device.socket.settimeout(1.0)
    device.send(Connect("five", version=Version.V5))
    with pytest.raises((TimeoutError, EOFError, ProtocolError)):  # 0.12 answers with a CONNACK of 3.1.1
        device.receive()


def test_it_lacks_a_will_on_takeover(bench: Bench, monitor: Monitor) -> None:
    mark = bench.timeline.mark()
    old = bench.device("a")
    old.connect("same", will=Will("dev/taken", b"gone", 1))
    bench.device("b").connect("same")
    monitor.expect_silence("dev/taken", 1.0, after=mark)


def test_it_lacks_persistent_sessions_that_are_of_use(bench: Bench, monitor: Monitor) -> None:
    """It keeps the session, but a client that comes back gets what others retain."""
    monitor.publish("somebody/else", b"private", 1, retain=True)
    device = bench.device()
    device.connect("stays", clean=False)
    device.send(Subscribe(1, (Subscription("stays/cmd", 1),)))
    device.receive()
    device.send(Disconnect())
    bench.wait("close")
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:  # until it has noticed that the client left, which it tells nobody
        again = bench.device()
        if again.connect("stays", clean=False).session_present:
            break
        again.drop()
    with pytest.raises(UnwantedEvent):
        bench.timeline.never(where("gateway", "publish", "a", direction="down", topic="somebody/else"), seconds=LIMIT)
    monitor.clear_retained("somebody/#")


def test_its_death_and_its_end_are_events(tmp_path: Path) -> None:
    timeline = Timeline()
    with Embedded(timeline) as broker:
        assert timeline.last(where("broker", "started"))["port"] == broker.port  # type: ignore[index]
        assert broker._child is not None
        child = psutil.Process(broker._child.pid)
        os.kill(child.pid, signal.SIGKILL)
        assert timeline.wait(where("broker", "stopped"), timeout=LIMIT)["expected"] is False
    broker.close()


def test_the_child_ends_with_its_standard_input() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "hil.broker.embedded", "--port", "0", "--follow-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    port = 0
    for line in child.stdout:
        if line.startswith("ready on port"):
            port = int(line.split()[-1])
            break
    assert accepts("127.0.0.1", port)
    child.communicate()
    assert child.returncode == 0


def test_a_taken_port_is_told(broker: Embedded) -> None:
    with pytest.raises(BrokerError, match=f"did not start: .*127.0.0.1:{broker.port}"):
        Embedded(Timeline(), port=broker.port).start()


def test_without_amqtt_the_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def none(name: str, *more: Any) -> Any:
        return None if name == "amqtt" else real(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", none)
    with pytest.raises(BrokerError, match="apt install mosquitto") as caught:
        Embedded(Timeline()).start()
    assert "hil[embedded]" in str(caught.value)
