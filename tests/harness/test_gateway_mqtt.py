"""MQTT through the gateway: what is recorded, forwarded and refused, before a real mosquitto."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from certificates import client_context, pki
from gateway_bench import LIMIT, Bench, mosquitto

from hil.broker import Mosquitto
from hil.gateway import Limits
from hil.timeline import UnwantedEvent, where
from hil.wire.mqtt import (
    Connack,
    Connect,
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
    Unsuback,
    Unsubscribe,
    Version,
    Will,
    encode,
)

V311, V5 = Version.V311, Version.V5
BOTH = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
WILL = Will("dev/status", b"offline", qos=1, retain=True)


# -- what is recorded -------------------------------------------------------------------------------------------------


@BOTH
def test_connect_and_connack_are_told_in_full(bench: Bench, version: Version) -> None:
    device = bench.device(version=version)
    device.connect("device-a", clean=True, keep_alive=37, username="user", password=b"secret", will=WILL)
    connect = bench.wait("connect")
    assert connect.data == {
        "connection": 1,
        "client_id": "device-a",
        "version": str(version),
        "clean": True,
        "keep_alive": 37,
        "username": "user",
        "will": {"topic": "dev/status", "payload": b"offline", "qos": 1, "retain": True},
    }
    assert bench.wait("connack").data == {"connection": 1, "code": 0, "session_present": False}
    assert bench.kinds() == ["accept", "hello", "tls", "connect", "connack"]
    assert not any("secret" in str(e.data) for e in bench.timeline)


@BOTH
def test_every_packet_of_a_session_is_told_both_ways(bench: Bench, version: Version) -> None:
    device = bench.device(version=version)
    device.connect()
    device.send(Subscribe(1, (Subscription("t/#", 2), Subscription("u", 1))))
    assert isinstance(device.receive(), Suback)
    device.send(Publish("t/0", b"zero"))
    assert device.receive() == Publish("t/0", b"zero")
    device.send(Publish("t/1", b"one", 1, packet_id=7))
    one = [device.receive(), device.receive()]
    assert Puback(7) in one
    received = next(p for p in one if isinstance(p, Publish))
    device.send(Puback(received.packet_id or 0))
    device.send(Publish("x/2", b"two", 2, retain=True, packet_id=8))
    assert device.receive() == Pubrec(8)
    device.send(Pubrel(8))
    assert device.receive() == Pubcomp(8)
    device.send(Unsubscribe(9, ("u",)))
    assert isinstance(device.receive(), Unsuback)
    device.send(Pingreq())
    assert device.receive() == Pingresp()
    device.send(Disconnect())
    assert bench.end_of() == ("device", "disconnect")

    told = {e.kind: e for e in bench.timeline.events(where("gateway", None, "a"))}
    assert told["subscribe"]["filters"] == [["t/#", 2], ["u", 1]]
    assert told["suback"].data == {"connection": 1, "packet_id": 1, "codes": [2, 1]}
    assert told["unsubscribe"].data == {"connection": 1, "packet_id": 9, "filters": ["u"]}
    assert told["unsuback"].data == {"connection": 1, "packet_id": 9, "codes": [0] if version is V5 else []}
    assert told["disconnect"].data == {"connection": 1, "direction": "up", "code": 0}
    assert {"pingreq", "pingresp"} <= set(told)
    publishes = [
        (e["direction"], e["topic"], e["payload"], e["qos"], e["retain"], e["packet_id"])
        for e in bench.timeline.events(where("gateway", "publish"))
    ]
    assert sorted(publishes, key=str) == sorted(
        [
            ("up", "t/0", b"zero", 0, False, None),
            ("down", "t/0", b"zero", 0, False, None),
            ("up", "t/1", b"one", 1, False, 7),
            ("down", "t/1", b"one", 1, False, received.packet_id),
            ("up", "x/2", b"two", 2, True, 8),
        ],
        key=str,
    )
    flow = [
        (e.kind, e["direction"]) for e in bench.timeline.events(lambda e: e.kind in ("pubrec", "pubrel", "pubcomp"))
    ]
    assert flow == [("pubrec", "down"), ("pubrel", "up"), ("pubcomp", "down")]
    assert [e["direction"] for e in bench.timeline.events(where("gateway", "puback"))] in (
        ["down", "up"],
        ["up", "down"],
    )


def test_frames_pass_byte_for_byte(tmp_path: Path) -> None:
    """Also where another encoding of the same packet is possible: MQTT 5 with its properties in an odd order."""
    listener = socket.create_server(("127.0.0.1", 0))
    connect = bytes.fromhex(
        "10 21 00 04 4d 51 54 54 05 02 00 3c 0a 21 00 14 27 00 00 01 00 17 01 00 08 64 65 76 69 63 65 2d 35 "
    )
    connect = bytes([0x10, len(connect) - 2]) + connect[2:]
    publish = encode(Publish("t", b"x", properties={"user_property": (("b", "2"), ("a", "1"))}), V5)
    with listener, Bench(tmp_path, listener.getsockname()[:2], monitor=False) as bench:
        device = bench.device(version=V5)
        device.send(connect)
        upstream, _ = listener.accept()
        with upstream:
            upstream.settimeout(LIMIT)
            assert upstream.recv(1000) == connect
            connack = bytes.fromhex("20 06 00 00 03 21 00 0a")
            upstream.sendall(connack + publish)
            assert isinstance(device.receive(), Connack)
            assert isinstance(device.receive(), Publish)
            device.send(publish)
            assert upstream.recv(1000) == publish


def test_packets_in_small_pieces_and_in_one_piece(bench: Bench) -> None:
    device = bench.device()
    whole = encode(Connect("device-a", will=WILL), V311)
    for byte in whole:
        device.send(bytes([byte]))
    assert isinstance(device.receive(), Connack)
    device.send(*[Publish("many", str(n).encode()) for n in range(200)], Pingreq())
    assert device.receive() == Pingresp()
    told = bench.timeline.events(where("gateway", "publish", "a", direction="up"))
    assert [e["payload"] for e in told] == [str(n).encode() for n in range(200)]
    assert bench.monitor is not None
    bench.monitor.expect("many", b"199", timeout=LIMIT, after=bench.begin)


def test_topic_aliases_are_told_by_their_topic(bench: Bench) -> None:
    device = bench.device(version=V5)
    device.connect()
    device.send(Publish("long/topic", b"1", properties={"topic_alias": 3}))
    device.send(Publish("", b"2", properties={"topic_alias": 3}))
    assert bench.wait("publish", payload=b"2")["topic"] == "long/topic"
    assert bench.monitor is not None
    bench.monitor.expect("long/topic", b"2", timeout=LIMIT, after=bench.begin)


def test_a_board_that_does_not_wait_for_connack_loses_nothing(bench: Bench) -> None:
    device = bench.device()
    device.send(
        Connect("hasty", will=WILL), Publish("hasty", b"1", 1, packet_id=1), Publish("hasty", b"2"), Disconnect()
    )
    device.drop()
    assert bench.monitor is not None
    bench.monitor.expect("hasty", b"2", timeout=LIMIT, after=bench.begin)
    assert bench.end_of() == ("device", "disconnect")
    bench.no_will_comes(WILL)


def test_a_real_client_library_works(bench: Bench, tmp_path: Path) -> None:
    got: list[bytes] = []
    seen = threading.Event()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="paho", protocol=paho.MQTTv5)

    def on_message(_: Any, __: Any, message: paho.MQTTMessage) -> None:
        got.append(message.payload)
        if len(got) == 3:
            seen.set()

    client.on_connect = lambda c, *_: c.subscribe("echo/#", 2)
    client.on_subscribe = lambda c, *_: [c.publish(f"echo/{q}", f"qos {q}", q) for q in (0, 1, 2)]
    client.on_message = on_message
    context = client_context(tmp_path, device=pki().device)
    context.check_hostname = False
    client.tls_set_context(context)
    client.connect(*bench.gateway.endpoint("a"))
    client.loop_start()
    try:
        assert seen.wait(LIMIT)
    finally:
        client.disconnect()
        client.loop_stop()
    assert sorted(got) == [b"qos 0", b"qos 1", b"qos 2"]
    assert bench.end_of() == ("device", "disconnect")


def test_without_tls_when_told_so(broker: Mosquitto, tmp_path: Path) -> None:
    with Bench(tmp_path, (broker.host, broker.port), monitor=False, server=None) as bench, bench.raw() as raw:
        raw.sendall(encode(Connect("plain"), V311))
        assert raw.recv(10) == encode(Connack(), V311)
        assert bench.kinds() == ["accept", "connect", "connack"]
        raw.sendall(encode(Disconnect(), V311))
        assert bench.end_of() == ("device", "disconnect")


# -- what a broker would not take -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (encode(Pingreq(), V311), "[MQTT-3.1.0-1]"),
        (b"\x10\xff\xff\xff\xff\x01", "Remaining Length of more than four bytes"),
        (b"\x10\xff\xff\xff\x7f", "at most"),
        (b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x3c\x00\x00", "MQTT-3.1.2-3"),
        (b"\x00\x00", "type 0"),
    ],
    ids=["no CONNECT", "endless length", "oversized", "reserved flag", "type 0"],
)
def test_what_is_no_connect_ends_the_connection(bench: Bench, sent: bytes, reason: str) -> None:
    device = bench.device()
    device.send(sent)
    assert reason in bench.wait("malformed")["reason"]
    assert bench.end_of() == ("gateway", "malformed")
    assert device.is_closed()


def test_an_unknown_protocol_level_is_answered(bench: Bench) -> None:
    device = bench.device()
    device.send(b"\x10\x0e\x00\x04MQTT\x03\x02\x00\x3c\x00\x02ab")
    answer = device.receive()
    assert isinstance(answer, Connack)
    assert answer.code == 1
    assert bench.end_of() == ("gateway", "malformed")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (Connect("twice"), "second CONNECT"),
        (Pingresp(), "PINGRESP, which only a broker sends"),
        (b"\x36\x05\x00\x01t\x00\x01", "MQTT-3.3.1-4"),
        (b"\x82\x02\x00\x01", "SUBSCRIBE"),
        (Publish("big", bytes(5000)), "at most 4096"),
    ],
    ids=["second CONNECT", "PINGRESP", "QoS 3", "no filter", "too large"],
)
def test_a_bad_packet_ends_a_session_and_fires_the_will(
    broker: Mosquitto, tmp_path: Path, sent: Any, reason: str
) -> None:
    with Bench(tmp_path, (broker.host, broker.port), limits=Limits(max_packet=4096)) as bench:
        device = bench.device()
        device.connect(will=WILL)
        device.send(Publish("before", b"kept"), sent)
        assert reason in bench.wait("malformed")["reason"]
        assert bench.end_of() == ("gateway", "malformed")
        assert bench.monitor is not None
        bench.monitor.expect("before", b"kept", timeout=LIMIT, after=bench.begin)
        bench.will_comes(WILL)


def test_mqtt_5_is_told_what_was_wrong(bench: Bench) -> None:
    device = bench.device(version=V5)
    device.connect()
    device.send(Connect("twice", version=V5))
    assert device.receive() == Disconnect(0x82)
    assert bench.end_of() == ("gateway", "malformed")


def test_a_device_that_never_says_connect_is_ended(broker: Mosquitto, tmp_path: Path) -> None:
    with Bench(tmp_path, (broker.host, broker.port), monitor=False, limits=Limits(connect=0.2)) as bench:
        device = bench.device()
        assert device.is_closed()
        assert bench.wait("malformed")["reason"] == "no CONNECT within 0.2 s"


def test_a_bad_packet_of_one_board_leaves_another_alone(bench: Bench) -> None:
    good = bench.device("b")
    good.connect("good")
    for _ in range(5):
        bad = bench.device("a")
        bad.send(b"\xff" * 100)
        assert bad.is_closed()
    good.send(Pingreq())
    assert good.receive() == Pingresp()
    with pytest.raises(UnwantedEvent):
        bench.timeline.never(where("gateway", "malformed", "a"), seconds=0)
    assert "malformed" not in bench.kinds("b")


def test_the_brokers_log_knows_the_board(tmp_path: Path) -> None:
    from hil.timeline import Timeline

    timeline = Timeline()
    with mosquitto(tmp_path, timeline) as broker, Bench(tmp_path, (broker.host, broker.port), monitor=False) as bench:
        broker.attribute(bench.gateway.board_of_port)
        device = bench.device("b")
        device.connect("dev/1", will=WILL)
        device.send(Publish("dev/1/data", b"x"))
        device.drop()
        text = "Client dev/1 closed its connection."
        timeline.wait(where("broker", "log", "b", text=text), timeout=LIMIT)
        assert timeline.events(where("broker", "log", "b", text=lambda t: "New client connected" in t))
        assert timeline.events(where("broker", "log", "b", text="\tdev/status"))
        assert not timeline.events(where("broker", "log", "a"))
