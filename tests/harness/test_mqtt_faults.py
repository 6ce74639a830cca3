"""Lies about sessions, and packets that nobody asked for, as a device on a real TLS connection meets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from gateway_bench import Bench

from hil.broker import Mosquitto
from hil.gateway import (
    Deliver,
    Fault,
    ForgetSession,
    Late,
    LateConnack,
    Malformed,
    Redeliver,
    RefuseConnack,
    RefuseSubscribe,
    ServerDisconnect,
    ServerKeepAlive,
    SessionPresent,
    Unsolicited,
    Withhold,
)
from hil.gateway.faults.malformed import Kind
from hil.gateway.faults.unsolicited import Stray
from hil.schedule import Schedule
from hil.timeline import where
from hil.wire.mqtt import (
    Disconnect,
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
    Version,
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


# -- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V311, V5])
def test_session_present_lies_both_ways(bench: Bench, version: Version) -> None:
    kept: dict[str, Any] = {"clean": False}
    if version is V5:
        kept["properties"] = {"session_expiry_interval": 60}
    handle = bench.gateway.arm(SessionPresent(True), "a")
    device = bench.device(version=version)
    assert device.connect(f"liar-{version}", **kept).session_present
    device.subscribe("t")
    device.send(Disconnect())
    bench.wait("close", connection=1)
    handle.clear()
    assert bench.wait("connack", connection=1)["session_present"] is True, "what the device was told is told"

    bench.gateway.arm(SessionPresent(False), "a")
    again = bench.device(version=version)
    assert not again.connect(f"liar-{version}", **kept).session_present
    again.send(Publish("t", b"still subscribed", 1, packet_id=1))
    assert any(isinstance(again.receive(), Publish) for _ in range(2))
    facts = [e["truth"] for e in bench.timeline.events(where("gateway", "fault", "a", state="applied"))]
    assert facts == [False, True]


@pytest.mark.parametrize("version", [V311, V5])
def test_the_stored_session_is_dropped(bench: Bench, version: Version) -> None:
    kept: dict[str, Any] = {"clean": False}
    if version is V5:
        kept["properties"] = {"session_expiry_interval": 60}
    name = f"forgotten-{version}"
    device = bench.device(version=version)
    device.connect(name, **kept)
    device.subscribe("t")
    device.send(Disconnect())
    bench.wait("close", connection=1)
    bench.gateway.arm(ForgetSession(), "a", Schedule(count=1))
    again = bench.device(version=version)
    assert not again.connect(name, **kept).session_present
    again.send(Publish("t", b"nobody hears it", 1, packet_id=1), Pingreq())
    assert {type(again.receive()) for _ in range(2)} == {Puback, Pingresp}
    again.subscribe("t")
    again.send(Disconnect())
    bench.wait("close", connection=2)
    third = bench.device(version=version)
    assert third.connect(name, **kept).session_present, "the session after it is kept as ever"


def test_the_broker_sets_the_keep_alive(bench: Bench) -> None:
    bench.gateway.arm(ServerKeepAlive(1), "a")
    device = bench.device(version=V5)
    assert device.connect(keep_alive=600).properties["server_keep_alive"] == 1
    assert device.receive() == Disconnect(0x8D)
    assert bench.wait("close")["how"] == "keep-alive"
    older = bench.device()
    older.connect("older", keep_alive=600)
    assert len(bench.timeline.events(where("gateway", "fault", "a", state="applied"))) == 1


# -- what nobody asked for --------------------------------------------------------------------------------------------

KINDS = [kind for kind in get_args(Kind) if kind not in ("never-ending", "connack")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [V311, V5])
def test_malformed_bytes_are_malformed_to_a_strict_decoder(bench: Bench, kind: Any, version: Version) -> None:
    bench.gateway.arm(Malformed(kind), "a", Schedule(count=1))
    device = bench.device(version=version, strict=True)
    device.connect()
    with pytest.raises(ValueError):  # noqa: PT011 - ours for any packet that breaks a rule
        device.receive()
    assert bench.wait("fault", state="applied")["bytes"]


@pytest.mark.parametrize("version", [V311, V5])
def test_a_malformed_connack(bench: Bench, version: Version) -> None:
    bench.gateway.arm(Malformed("connack"), "a", Schedule(count=1))
    device = bench.device(version=version, strict=True)
    with pytest.raises(ValueError):  # noqa: PT011
        device.connect()
    device.drop()
    bench.wait("close")
    assert "connack" not in bench.kinds()


def test_a_packet_that_never_ends(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    bench.gateway.arm(Malformed("never-ending"), "a", Schedule(after=where("gateway", "pingresp", "a")))
    device.send(Pingreq())
    assert device.receive() == Pingresp()
    bench.wait("fault", state="applied")
    device.hears_nothing(0.1)


@pytest.mark.parametrize("packet", get_args(Stray))
@pytest.mark.parametrize("version", [V311, V5])
def test_an_answer_to_nothing(bench: Bench, packet: Any, version: Version) -> None:
    device = bench.device(version=version)
    device.connect()
    bench.gateway.arm(Unsolicited(packet), "a")
    found = device.receive()
    assert type(found).__name__.lower() == packet
    assert getattr(found, "packet_id", 0xBEEF) == 0xBEEF
    bench.wait(packet, **({"direction": "down"} if packet.startswith("pub") else {}))


def test_a_retained_command_at_connect(watched: Bench) -> None:
    """It comes as mosquitto would bring it: behind the SUBACK that covers its topic, with retain set."""
    watched.gateway.arm(Deliver("devices/a/cmd", b"reset", qos=1), "a")
    device = watched.device()
    device.connect()
    assert device.subscribe("something/else", packet_id=1) == Suback(1, (1,))
    device.send(Pingreq())
    assert device.receive() == Pingresp()
    assert device.subscribe("devices/+/cmd", packet_id=2) == Suback(2, (1,))
    command = device.receive()
    assert isinstance(command, Publish)
    assert (command.topic, command.payload, command.qos, command.retain) == ("devices/a/cmd", b"reset", 1, True)
    assert command.packet_id is not None
    device.send(Puback(command.packet_id), Pingreq())
    assert device.receive() == Pingresp()
    assert watched.wait("publish", direction="down")["payload"] == b"reset"
    assert not watched.timeline.events(where("monitor", "message", None, topic="devices/a/cmd"))


def test_a_message_of_qos_2_is_brought_to_its_end_here(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    bench.gateway.arm(Deliver("t", b"x" * 300_000, qos=2, retain=False, at="connack"), "a", Schedule(count=1))
    message = device.receive()
    assert isinstance(message, Publish)
    assert message.packet_id is not None
    assert len(message.payload) == 300_000
    device.send(Pubrec(message.packet_id))
    assert device.receive() == Pubrel(message.packet_id)
    device.send(Pubcomp(message.packet_id), Pingreq())
    assert device.receive() == Pingresp()


@pytest.mark.parametrize("qos", [1, 2])
def test_messages_come_a_second_time_with_dup(watched: Bench, qos: int) -> None:
    watched.gateway.arm(Redeliver(), "a")
    device = watched.device()
    device.connect()
    device.subscribe("t", qos)
    assert watched.monitor is not None
    for number in range(3):
        watched.monitor.publish("t", b"%d" % number, qos=qos)
        first, second = device.receive(), device.receive()
        assert isinstance(first, Publish)
        assert isinstance(second, Publish)
        assert (first.dup, second.dup) == (False, True)
        assert (first.packet_id, first.payload) == (second.packet_id, second.payload)
        assert first.packet_id is not None
        if qos == 1:
            device.send(Puback(first.packet_id), Puback(first.packet_id))
        else:
            device.send(Pubrec(first.packet_id), Pubrec(first.packet_id))
            assert device.receive() == Pubrel(first.packet_id)
            device.send(Pubcomp(first.packet_id))
    device.send(Pingreq())
    assert device.receive() == Pingresp()
    assert [e["dup"] for e in watched.timeline.events(where("gateway", "publish", "a", direction="down"))] == [
        False,
        True,
    ] * 3


# -- together ---------------------------------------------------------------------------------------------------------


def test_a_later_fault_rules_on_what_an_earlier_one_sends(bench: Bench) -> None:
    bench.gateway.arm(RefuseSubscribe(), "a")
    bench.gateway.arm(Late("suback", 0.2), "a")
    bench.gateway.arm(Withhold("suback"), "a", Schedule(skip=1, count=1))
    device = bench.device()
    device.connect()
    device.send(Subscribe(1, (Subscription("t"),)), Subscribe(2, (Subscription("t"),)), Pingreq())
    assert [device.receive(), device.receive()] == [Pingresp(), Suback(1, (0x80,))]
    device.hears_nothing(0.1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Withhold("pingreq"), "withhold: packet is 'pingreq', expected one of connack"),
        (lambda: Late("puback", -1), "late: seconds is -1, expected 0 s or more"),
        (lambda: LateConnack(-1), "late-connack: seconds is -1"),
        (lambda: RefuseConnack(0), "refuse-connack: code is 0x00, expected one of 1, 2, 3, 4, 5, 0x80"),
        (lambda: RefuseSubscribe(1), "refuse-subscribe: code is 0x01, expected one of 0x80, 0x83"),
        (lambda: ServerDisconnect(5), "server-disconnect: code is 0x05, expected one of 0, 0x80"),
        (lambda: ServerKeepAlive(70000), "server-keep-alive: seconds is 70000, expected 0 to 65535"),
        (lambda: Malformed("odd"), "malformed: kind is 'odd', expected one of type-zero"),
        (lambda: Unsolicited("publish"), "unsolicited: packet is 'publish', expected one of connack"),
        (lambda: Deliver("a/#"), "deliver: topic is 'a/#', expected a topic name, without wildcards"),
        (lambda: Deliver("a", qos=3), "deliver: qos is 3, expected one of 0, 1, 2"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        make()


def test_a_payload_does_not_stand_in_the_faults_events(bench: Bench) -> None:
    fault: Fault = Deliver("t", b"large and maybe secret")
    bench.gateway.arm(fault, "a")
    assert bench.wait("fault", state="armed").data == {
        "name": "deliver",
        "state": "armed",
        "topic": "t",
        "qos": 0,
        "retain": True,
        "at": "suback",
        "schedule": {},
    }
