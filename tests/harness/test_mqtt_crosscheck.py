"""The MQTT codec against two others: amqtt for 3.1.1 and moat-lib-mqtt for 5, which share no code with it.

Each generated packet goes to the other codec as our bytes and is compared field by field; then the other's own encoding
of it comes back and must decode to the packet we began with. What the others cannot express is left out where it is
said below, and covered by test_mqtt_codec.py alone.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import mqtt_strategies as some
import pytest
from hypothesis import assume, given, settings

from hil.wire.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Version,
    decode,
    encode,
)
from hil.wire.mqtt.codes import ALLOWED_5
from hil.wire.mqtt.properties import TABLE

adapters = pytest.importorskip("amqtt.adapters")
amqtt = pytest.importorskip("amqtt.mqtt")
amqtt_packet = pytest.importorskip("amqtt.mqtt.packet")
moat = pytest.importorskip("moat.lib.mqtt._types")

# -- amqtt, MQTT 3.1.1 -----------------------------------------------------------------------------------------------


def amqtt_decode(frame: bytes) -> Any:
    """Its reading is a coroutine, but from a buffer it never waits: one step runs it to its end."""

    async def read() -> Any:
        reader = adapters.BufferReader(frame)
        header = await amqtt_packet.MQTTFixedHeader.from_stream(reader)
        return await amqtt.packet_class(header).from_stream(reader, fixed_header=header)

    running = read()
    try:
        running.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("amqtt waited for more than the packet")


def amqtt_facts(theirs: Any, ours: Packet) -> dict[str, Any]:
    """What amqtt understood, under our field names."""
    header, body = theirs.variable_header, theirs.payload
    match ours:
        case Connect():
            will = None
            if header.will_flag:
                will = (body.will_topic, body.will_message, header.will_qos, header.will_retain_flag)
            return {
                "client_id": body.client_id,
                "version": header.proto_level,
                "clean": header.clean_session_flag,
                "keep_alive": header.keep_alive,
                "username": body.username,
                "password": None if body.password is None else body.password.encode(),
                "will": will,
            }
        case Connack():
            return {"session_present": bool(header.session_parent), "code": header.return_code}
        case Publish():
            return {
                "topic": header.topic_name,
                "payload": body.data,
                "qos": theirs.qos,
                "retain": theirs.retain_flag,
                "dup": theirs.dup_flag,
                "packet_id": header.packet_id,
            }
        case Subscribe():
            return {"packet_id": header.packet_id, "filters": body.topics}
        case Suback():
            return {"packet_id": header.packet_id, "codes": tuple(body.return_codes)}
        case Unsubscribe():
            return {"packet_id": header.packet_id, "filters": tuple(body.topics)}
        case Pingreq() | Pingresp() | Disconnect():
            return {}
    return {"packet_id": header.packet_id}


def facts_311(packet: Packet) -> dict[str, Any]:
    """Our fields, without those that only MQTT 5 has."""
    found = {f.name: getattr(packet, f.name) for f in dataclasses.fields(packet)}
    found.pop("properties", None)
    match packet:
        case Connect(will=will) if will is not None:
            found["will"] = (will.topic, will.payload, will.qos, will.retain)
        case Subscribe(filters=filters):
            found["filters"] = [(one.filter, one.qos) for one in filters]
        case Connack() | Suback() | Connect() | Publish():
            pass
        case _:
            found.pop("code", None)
            found.pop("codes", None)
    return found


@given(some.packets(Version.V311))
@settings(max_examples=300, deadline=None)
def test_amqtt_agrees_on_3_1_1(packet: Packet) -> None:
    if isinstance(packet, Connect):
        # amqtt makes up a client id where there is none, and takes a password for text.
        assume(packet.client_id)
        packet = dataclasses.replace(packet, password=as_text(packet.password))
    theirs = amqtt_decode(encode(packet, Version.V311))
    assert type(theirs).__name__.lower() == type(packet).__name__.lower() + "packet"
    assert amqtt_facts(theirs, packet) == facts_311(packet)
    assert theirs.to_bytes() == encode(packet, Version.V311)


# -- moat-lib-mqtt, MQTT 5 -------------------------------------------------------------------------------------------


# What the standard has and moat 0.8 has not: properties, and reason codes.
UNKNOWN_TO_MOAT: dict[str, set[Any]] = {
    "CONNECT": {"request_response_information"},
    "DISCONNECT": {0x8D},  # keep alive timeout
}


def moat_decode(frame: bytes) -> Any:
    rest, packet = moat.decode_packet(memoryview(frame))
    assert not rest
    return packet


def moat_encode(packet: Any) -> bytes:
    out = bytearray()
    packet.encode(out)
    return bytes(out)


def moat_properties(theirs: Any) -> dict[str, Any]:
    found = {kind.name.lower(): value for kind, value in theirs.properties.items()}
    if "subscription_identifier" in found:
        several = tuple(found["subscription_identifier"])
        found["subscription_identifier"] = several if isinstance(theirs, moat.MQTTPublishPacket) else several[0]
    if theirs.user_properties:
        found["user_property"] = tuple(theirs.user_properties.items())
    return found


def moat_facts(theirs: Any, ours: Packet) -> dict[str, Any]:
    """What moat understood, under our field names."""
    found: dict[str, Any] = {}
    if not isinstance(ours, Pingreq | Pingresp):
        found["properties"] = moat_properties(theirs)
    match ours:
        case Connect():
            will = theirs.will
            found |= {name: getattr(theirs, name) for name in ("client_id", "keep_alive", "username")}
            found["clean"] = theirs.clean_start
            found["version"] = Version.V5
            found["password"] = None if theirs.password is None else theirs.password.encode()
            found["will"] = will and (will.topic, will.payload, will.qos, will.retain, moat_properties(will))
        case Connack():
            found |= {"session_present": theirs.session_present, "code": theirs.reason_code}
        case Publish():
            found |= {name: getattr(theirs, name) for name in ("topic", "payload", "qos", "retain", "packet_id")}
            found["dup"] = theirs.duplicate
        case Subscribe():
            found["packet_id"] = theirs.packet_id
            found["filters"] = tuple(
                (s.pattern.pattern, s.max_qos, s.no_local, s.retain_as_published, s.retain_handling)
                for s in theirs.subscriptions
            )
        case Unsubscribe():
            found |= {"packet_id": theirs.packet_id, "filters": tuple(p.pattern for p in theirs.patterns)}
        case Suback() | Unsuback():
            found |= {"packet_id": theirs.packet_id, "codes": tuple(theirs.reason_codes)}
        case Disconnect() | Auth():
            found["code"] = theirs.reason_code
        case Pingreq() | Pingresp():
            pass
        case _:
            found |= {"packet_id": theirs.packet_id, "code": theirs.reason_code}
    return found


def facts_5(packet: Packet) -> dict[str, Any]:
    found = {f.name: getattr(packet, f.name) for f in dataclasses.fields(packet)}
    if isinstance(packet, Connect) and packet.will is not None:
        found["will"] = tuple(getattr(packet.will, f.name) for f in dataclasses.fields(packet.will))
    if isinstance(packet, Subscribe):
        found["filters"] = tuple(dataclasses.astuple(one) for one in packet.filters)
    return found


def for_moat(packet: Packet) -> Packet:
    """The packet without what moat cannot express: a user property's name that repeats, a password that is no text,
    payloads declared to be text (they come out as str), and what it does not know."""
    properties = getattr(packet, "properties", None)
    if properties is not None:
        packet = dataclasses.replace(packet, properties=simpler(properties))  # type: ignore[type-var]
    if isinstance(packet, Connect):
        will = packet.will and dataclasses.replace(packet.will, properties=simpler(packet.will.properties))
        packet = dataclasses.replace(packet, password=as_text(packet.password), will=will)
    return packet


def simpler(properties: Any) -> dict[str, Any]:
    found = dict(properties)
    for name in ("payload_format_indicator", *UNKNOWN_TO_MOAT["CONNECT"]):
        found.pop(name, None)
    if "user_property" in found:
        found["user_property"] = tuple(dict(found.pop("user_property")).items())
    return found


def as_text(password: bytes | None) -> bytes | None:
    return None if password is None else password.hex().encode()


@given(some.packets(Version.V5))
@settings(max_examples=400, deadline=None)
def test_moat_agrees_on_5(packet: Packet) -> None:
    # An AUTH of two bytes alone is beyond moat.
    assume(not (isinstance(packet, Disconnect) and packet.code in UNKNOWN_TO_MOAT["DISCONNECT"]))
    assume(not (isinstance(packet, Auth) and packet.code == 0 and not packet.properties))
    packet = for_moat(packet)
    theirs = moat_decode(encode(packet, Version.V5))
    assert moat_facts(theirs, packet) == facts_5(packet)
    assert decode(moat_encode(theirs), Version.V5) == packet


MOAT_CLASSES = {
    "CONNECT": "MQTTConnectPacket",
    "will": "Will",
    "CONNACK": "MQTTConnAckPacket",
    "PUBLISH": "MQTTPublishPacket",
    "PUBACK": "MQTTPublishAckPacket",
    "PUBREC": "MQTTPublishReceivePacket",
    "PUBREL": "MQTTPublishReleasePacket",
    "PUBCOMP": "MQTTPublishCompletePacket",
    "SUBSCRIBE": "MQTTSubscribePacket",
    "SUBACK": "MQTTSubscribeAckPacket",
    "UNSUBSCRIBE": "MQTTUnsubscribePacket",
    "UNSUBACK": "MQTTUnsubscribeAckPacket",
    "DISCONNECT": "MQTTDisconnectPacket",
    "AUTH": "MQTTAuthPacket",
}


@pytest.mark.parametrize("name", MOAT_CLASSES)
def test_moat_has_the_same_tables(name: str) -> None:
    theirs = getattr(moat, MOAT_CLASSES[name])
    ours = {row.name for row in TABLE if name in row.packets}
    assert {kind.name.lower() for kind in theirs.allowed_property_types} == ours - UNKNOWN_TO_MOAT.get(name, set())
    if hasattr(theirs, "allowed_reason_codes"):
        codes = next(codes for kind, codes in ALLOWED_5.items() if kind.__name__.upper() == name)
        assert {int(code) for code in theirs.allowed_reason_codes} == codes - UNKNOWN_TO_MOAT.get(name, set())
