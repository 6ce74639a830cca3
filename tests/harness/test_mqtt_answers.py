"""Answers of the broker that are withheld, late or refused, as a device on a real TLS connection meets them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from certificates import client_context, pki
from gateway_bench import LIMIT, Bench
from paho.mqtt.enums import CallbackAPIVersion

from hil.broker import Mosquitto
from hil.gateway import (
    Late,
    LateConnack,
    RefuseConnack,
    RefuseSubscribe,
    ServerDisconnect,
    Withhold,
)
from hil.schedule import Schedule
from hil.timeline import where
from hil.wire.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Version,
    Will,
)

V311, V5 = Version.V311, Version.V5


@pytest.fixture
def bench(broker: Mosquitto, tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, (broker.host, broker.port), monitor=False) as made:
        yield made


@pytest.fixture
def watched(broker: Mosquitto, tmp_path: Path) -> Iterator[Bench]:
    """With a monitor, which sees and publishes what others would."""
    with Bench(tmp_path, (broker.host, broker.port)) as made:
        yield made


# -- withheld ---------------------------------------------------------------------------------------------------------

ASKED: list[tuple[str, list[Packet], list[Packet]]] = [
    ("puback", [Publish("t", b"", 1, packet_id=2)], [Puback(2)]),
    ("pubrec", [Publish("t", b"", 2, packet_id=2)], [Pubrec(2)]),
    ("pubcomp", [Publish("t", b"", 2, packet_id=2), Pubrel(2)], [Pubrec(2), Pubcomp(2)]),
    ("suback", [Subscribe(2, (Subscription("none"),))], [Suback(2, (0,))]),
    ("unsuback", [Unsubscribe(2, ("none",))], [Unsuback(2)]),
    ("pingresp", [Pingreq()], [Pingresp()]),
]


@pytest.mark.parametrize(("name", "ask", "answers"), ASKED, ids=[a[0] for a in ASKED])
def test_an_answer_is_withheld_and_the_others_come(
    bench: Bench, name: Any, ask: list[Packet], answers: list[Packet]
) -> None:
    device = bench.device()
    device.connect()
    with bench.gateway.fault(Withhold(name), "a"):
        device.send(*ask, Publish("t", b"", 1, packet_id=99), *([] if name == "pingresp" else [Pingreq()]))
        expected = {str(a) for a in answers if type(a).__name__.lower() != name} | {str(Pingresp()), str(Puback(99))}
        expected -= {str(Pingresp())} if name == "pingresp" else set()
        expected -= {str(Puback(99))} if name == "puback" else set()
        assert {str(device.receive()) for _ in expected} == expected
        applied = bench.wait("fault", name="withhold", state="applied")
        assert applied["what"] == name
        assert not bench.timeline.events(where("gateway", name, "a", direction=lambda d: d != "up"))
    device.send(*ask[:1])
    assert str(device.receive()) == str(answers[0])


def test_a_withheld_puback_means_published_all_the_same(watched: Bench) -> None:
    device = watched.device()
    device.connect()
    watched.gateway.arm(Withhold("puback"), "a", Schedule(count=1))
    device.send(Publish("done/once", b"1", 1, packet_id=1))
    assert watched.monitor is not None
    watched.monitor.expect("done/once", timeout=LIMIT, after=watched.begin)
    device.send(Publish("done/once", b"1", 1, dup=True, packet_id=1))
    assert device.receive() == Puback(1)


def test_without_its_connack_a_device_gets_nothing(bench: Bench) -> None:
    bench.gateway.arm(Withhold("connack"), "a", Schedule(count=1))
    device = bench.device()
    device.send(Connect("impatient"), Subscribe(1, (Subscription("t"),)))
    device.hears_nothing()
    assert "subscribe" not in bench.kinds(), "what came before the CONNACK is not looked at"
    device.drop()
    assert bench.wait("close")["by"] == "device"
    assert "connack" not in bench.kinds()
    assert bench.device().connect().code == 0


def test_all_is_withheld(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    bench.gateway.arm(Withhold("all"), "a")
    device.send(Publish("t", b"", 1, packet_id=1), Pingreq(), Subscribe(3, (Subscription("t"),)))
    for kind in ("puback", "pingresp", "suback"):
        bench.wait("fault", state="applied", what=kind)
    device.hears_nothing(0.1)


# -- late -------------------------------------------------------------------------------------------------------------


def test_a_late_answer_is_overtaken_by_others_and_comes(bench: Bench) -> None:
    bench.gateway.arm(Late("puback", 1.0), "a")
    device = bench.device()
    device.connect()
    device.send(Publish("t", b"", 1, packet_id=1), Publish("t", b"", 1, packet_id=2), Pingreq())
    assert [device.receive() for _ in range(3)] == [Pingresp(), Puback(1), Puback(2)]
    applied = bench.wait("fault", state="applied")
    told = bench.wait("puback", direction="down")
    assert applied.sequence < told.sequence, "a late packet is told when it goes"
    assert told.monotonic - applied.monotonic >= 1.0


def test_a_late_connack_comes_before_all_else(watched: Bench) -> None:
    """A kept session's message waits for it, as does what the device says meanwhile."""
    first = watched.device(version=V5)
    first.connect("keeper", properties={"session_expiry_interval": 60})
    first.subscribe("inbox")
    first.drop()
    watched.wait("close")
    assert watched.monitor is not None
    watched.monitor.publish("inbox", b"waiting", qos=1)
    watched.gateway.arm(LateConnack(0.5), "a")
    again = watched.device(version=V5)
    again.send(Connect("keeper", version=V5, clean=False), Pingreq())
    connack = again.receive()
    assert isinstance(connack, Connack)
    assert connack.session_present
    rest = [again.receive(), again.receive()]
    assert {type(p) for p in rest} == {Publish, Pingresp}
    second = where("gateway", "connect", "a", connection=2)
    assert watched.wait("connack", connection=2).monotonic - watched.timeline.events(second)[0].monotonic >= 0.5


def test_what_is_late_comes_at_once_when_the_fault_is_cleared(bench: Bench) -> None:
    handle = bench.gateway.arm(LateConnack(3600), "a")
    device = bench.device()
    device.send(Connect("late"))
    bench.wait("fault", state="applied")
    handle.clear()
    assert isinstance(device.receive(), Connack)
    device.send(Pingreq())
    assert device.receive() == Pingresp()


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "version", "seen"),
    [(code, V311, code) for code in (1, 2, 3, 4, 5)]
    + [(code, V5, code) for code in (0x80, 0x86, 0x87, 0x88, 0x89, 0x97, 0x9F)]
    + [(5, V5, 0x87), (0x97, V311, 3)],
)
def test_each_refusal_code(watched: Bench, code: int, version: Version, seen: int) -> None:
    watched.gateway.arm(RefuseConnack(code), "a", Schedule(count=1))
    device = watched.device(version=version)
    assert device.connect("refused", will=Will("will/refused", b"gone")).code == seen
    assert device.is_closed()
    close = watched.wait("close")
    assert (close["by"], close["how"], close["fault"]) == ("gateway", "fault", "refuse-connack")
    assert watched.wait("connack")["code"] == seen
    assert watched.device(version=version).connect("refused").code == 0
    assert watched.monitor is not None
    assert not watched.timeline.events(where("monitor", "message", None, topic="will/refused"))


def test_paho_is_refused_and_comes_again(bench: Bench, tmp_path: Path) -> None:
    bench.gateway.arm(RefuseConnack(3), "a", Schedule(count=1))
    codes: list[str] = []
    connected = threading.Event()

    def on_connect(client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        codes.append(str(reason))
        if not reason.is_failure:
            connected.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="paho-a")
    client.tls_set_context(client_context(tmp_path, device=pki().device))
    client.tls_insecure_set(True)
    client.reconnect_delay_set(1, 1)
    client.on_connect = on_connect
    host, port = bench.gateway.endpoint("a")
    client.connect(host, port)
    client.loop_start()
    try:
        assert connected.wait(LIMIT)
        assert codes == ["Server unavailable", "Success"]
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize(("code", "version", "seen"), [(0x80, V311, 0x80), (0x87, V311, 0x80), (0x87, V5, 0x87)])
def test_a_subscribe_is_refused_and_the_broker_knows_nothing(
    watched: Bench, code: int, version: Version, seen: int
) -> None:
    device = watched.device(version=version)
    device.connect()
    watched.gateway.arm(RefuseSubscribe(code), "a", Schedule(count=1))
    device.send(Subscribe(4, (Subscription("t/1"), Subscription("t/2"))))
    assert device.receive() == Suback(4, (seen, seen))
    assert watched.monitor is not None
    watched.monitor.publish("t/1", b"unheard", qos=1)
    device.hears_nothing(0.2)
    assert watched.wait("fault", state="applied")["filters"] == ["t/1", "t/2"]
    assert device.subscribe("t/1", 0) == Suback(5, (0,))


@pytest.mark.parametrize("version", [V311, V5])
def test_the_server_disconnects_with_a_reason(bench: Bench, version: Version) -> None:
    bench.gateway.arm(ServerDisconnect(0x98, after=0.2), "a", Schedule(count=1))
    device = bench.device(version=version)
    device.connect()
    if version is V5:
        assert device.receive() == Disconnect(0x98)
        assert bench.wait("disconnect", direction="down")["code"] == 0x98
    assert device.is_closed()
    assert bench.wait("close")["fault"] == "server-disconnect"
    bench.device(version=version).connect()
