"""What the standards forbid: each rule with bytes that break it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hil.wire.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    ProtocolError,
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
    decode,
    encode,
)

V3, V5 = Version.V311, Version.V5


def subscribe_with_identifier(identifier: int) -> Subscribe:
    return Subscribe(1, (Subscription("a"),), {"subscription_identifier": identifier})


ALWAYS = object()  # refused in any case

BROKEN: list[tuple[Version, str, str, int, Any]] = [
    # version, bytes, what the reason must say, reason code, what a tolerant decoder gives
    (V3, "00 00", "packet type 0", 0x81, ALWAYS),
    (V3, "f0 00", "packet type 15", 0x81, ALWAYS),
    (V3, "c1 00", "[MQTT-2.2.2-2]", 0x81, Pingreq()),
    (V5, "c1 00", "[MQTT-2.1.3-1]", 0x81, Pingreq()),
    (V3, "60 02 0001", "[MQTT-3.6.1-1]", 0x81, Pubrel(1)),
    (V3, "80 06 0001 0001 61 00", "[MQTT-3.8.1-1]", 0x81, Subscribe(1, (Subscription("a"),))),
    (V3, "a0 05 0001 0001 61", "[MQTT-3.10.1-1]", 0x81, Unsubscribe(1, ("a",))),
    (V3, "e1 00", "[MQTT-3.14.1-1]", 0x81, Disconnect()),
    (V5, "f8 00", "[MQTT-3.15.1-1]", 0x81, Auth()),
    (V3, "c0 01 00", "must end where its content does", 0x81, Pingreq()),
    (V3, "c0 80 00", "", 0, Pingreq()),  # MQTT 3.1.1 does not ask for the shortest length
    (V5, "c0 80 00", "[MQTT-1.5.5-1]", 0x81, Pingreq()),
    (V5, "30 84 00 0001 61 00", "[MQTT-1.5.5-1]", 0x81, Publish("a")),
    (V5, "20 05 00 00 8000", "behind it", 0x81, ALWAYS),
    (V5, "20 04 00 00 8000", "[MQTT-1.5.5-1]", 0x81, Connack()),
    # text
    (V3, "30 04 0002 c328", "[MQTT-1.5.3-1]", 0x81, Publish("\\xc3(")),
    (V5, "30 05 0002 c328 00", "[MQTT-1.5.4-1]", 0x81, Publish("\\xc3(")),
    (V3, "30 05 0003 eda080", "[MQTT-1.5.3-1]", 0x81, Publish("\\xed\\xa0\\x80")),
    (V3, "30 03 0001 00", "[MQTT-1.5.3-2]", 0x81, Publish("\0")),
    (V3, "a2 05 0001 0001 00", "[MQTT-1.5.3-2]", 0x81, Unsubscribe(1, ("\0",))),
    # CONNECT
    (V3, "10 0f 0006 4d514973 6470 03 02 003c 0001 61", "[MQTT-3.1.2-1]", 0x84, ALWAYS),
    (V3, "10 0d 0004 4d515455 04 02 003c 0001 61", "[MQTT-3.1.2-1]", 0x84, Connect("a")),
    (V3, "10 0d 0004 4d515454 06 02 003c 0001 61", "[MQTT-3.1.2-2]", 0x84, ALWAYS),
    (V3, "10 0d 0004 4d515454 04 03 003c 0001 61", "[MQTT-3.1.2-3]", 0x81, Connect("a")),
    (V3, "10 0d 0004 4d515454 04 0a 003c 0001 61", "[MQTT-3.1.2-13]", 0x81, Connect("a")),
    (V3, "10 0d 0004 4d515454 04 22 003c 0001 61", "[MQTT-3.1.2-15]", 0x81, Connect("a")),
    (
        V3,
        "10 13 0004 4d515454 04 1e 003c 0001 61 0001 77 0001 78",
        "[MQTT-3.1.2-14]",
        0x81,
        Connect("a", will=Will("w", b"x", 3)),
    ),
    (V3, "10 10 0004 4d515454 04 42 003c 0001 61 0001 70", "[MQTT-3.1.2-22]", 0x81, Connect("a", password=b"p")),
    (V3, "10 0c 0004 4d515454 04 00 003c 0000", "[MQTT-3.1.3-8]", 0x85, Connect("", clean=False)),
    (
        V3,
        "10 13 0004 4d515454 04 06 003c 0001 61 0001 23 0001 78",
        "[MQTT-4.7.1-1]",
        0x90,
        Connect("a", will=Will("#", b"x")),
    ),
    (V3, "10 0d 0004 4d515454 04 06 003c 0001 61", "ends within its will topic", 0x81, ALWAYS),
    (V3, "10 0b 0004 4d515454 04 02 003c 00", "ends within its client id", 0x81, ALWAYS),
    # CONNACK
    (V3, "20 02 02 00", "MQTT 3.1.1 section 3.2.2.1", 0x81, Connack()),
    (V5, "20 03 02 00 00", "[MQTT-3.2.2-1]", 0x81, Connack()),
    (V3, "20 02 01 05", "[MQTT-3.2.2-4]", 0x82, Connack(True, 5)),
    (V5, "20 03 01 87 00", "[MQTT-3.2.2-6]", 0x82, Connack(True, 0x87)),
    (V3, "20 02 00 06", "MQTT 3.1.1 section 3.2.2.3", 0x82, Connack(False, 6)),
    (V5, "20 03 00 05 00", "[MQTT-3.2.2-8]", 0x82, Connack(False, 5)),
    # PUBLISH
    (V3, "36 05 0001 61 0001", "[MQTT-3.3.1-4]", 0x81, Publish("a", qos=3, packet_id=1)),
    (V3, "38 03 0001 61", "[MQTT-3.3.1-2]", 0x81, Publish("a", dup=True)),
    (V3, "30 03 0001 2b", "[MQTT-3.3.2-2]", 0x90, Publish("+")),
    (V3, "30 02 0000", "[MQTT-4.7.3-1]", 0x90, Publish("")),
    (V5, "30 03 0000 00", "MQTT 5 section 3.3.2.1", 0x82, Publish("")),
    (V5, "30 06 0000 03 23 0000", "[MQTT-3.3.2-8]", 0x94, Publish("", properties={"topic_alias": 0})),
    (V5, "30 08 0001 61 04 08 0001 23", "[MQTT-3.3.2-14]", 0x82, Publish("a", properties={"response_topic": "#"})),
    (V3, "32 05 0001 61 0000", "[MQTT-2.3.1-1]", 0x82, Publish("a", qos=1, packet_id=0)),
    (V5, "32 06 0001 61 0000 00", "[MQTT-2.2.1-3]", 0x82, Publish("a", qos=1, packet_id=0)),
    (V3, "32 03 0001 61", "ends within its packet id", 0x81, ALWAYS),
    (V3, "30 03 0002 61", "ends within its topic", 0x81, ALWAYS),
    (V3, "30 01 00", "ends within its topic", 0x81, ALWAYS),
    (V5, "30 03 0001 61", "ends within its property length", 0x81, ALWAYS),
    (V5, "30 07 0001 61 03 08 0000", "[MQTT-4.7.3-1]", 0x90, Publish("a", properties={"response_topic": ""})),
    (V5, "30 08 0001 61 04 03 0001 00", "[MQTT-1.5.4-2]", 0x81, Publish("a", properties={"content_type": "\0"})),
    (V5, "30 08 0001 61 04 08 0001 ff", "[MQTT-1.5.4-1]", 0x81, Publish("a", properties={"response_topic": "\\xff"})),
    (
        V5,
        "30 0b 0001 61 07 26 0001 ff 0001 62",
        "[MQTT-1.5.4-1]",
        0x81,
        Publish("a", properties={"user_property": (("\\xff", "b"),)}),
    ),
    (
        V5,
        "30 0b 0001 61 07 26 0001 61 0001 ff",
        "[MQTT-1.5.4-1]",
        0x81,
        Publish("a", properties={"user_property": (("a", "\\xff"),)}),
    ),
    # the answers
    (V3, "40 02 0000", "[MQTT-2.3.1-1]", 0x82, Puback(0)),
    (V3, "40 03 0001 00", "must end where", 0x81, Puback(1)),
    (V5, "40 03 0001 8e", "[MQTT-3.4.2-1]", 0x82, Puback(1, 0x8E)),
    (V5, "62 03 0001 10", "[MQTT-3.6.2-1]", 0x82, Pubrel(1, 0x10)),
    # SUBSCRIBE and its answer
    (V3, "82 02 0001", "[MQTT-3.8.3-3]", 0x82, Subscribe(1, ())),
    (V5, "82 03 0001 00", "[MQTT-3.8.3-2]", 0x82, Subscribe(1, ())),
    (V3, "82 06 0001 0001 61 04", "[MQTT-3-8.3-4]", 0x81, Subscribe(1, (Subscription("a"),))),
    (V3, "82 06 0001 0001 61 03", "[MQTT-3-8.3-4]", 0x82, Subscribe(1, (Subscription("a", 3),))),
    (V5, "82 07 0001 00 0001 61 40", "[MQTT-3.8.3-5]", 0x81, Subscribe(1, (Subscription("a"),))),
    (
        V5,
        "82 07 0001 00 0001 61 30",
        "MQTT 5 section 3.8.3.1",
        0x82,
        Subscribe(1, (Subscription("a", retain_handling=3),)),
    ),
    (
        V5,
        "82 10 0001 00 000a 2473686172652f672f61 04",
        "[MQTT-3.8.3-4]",
        0x82,
        Subscribe(1, (Subscription("$share/g/a", no_local=True),)),
    ),
    (V3, "82 08 0001 0003 612f0a 00", "", 0, Subscribe(1, (Subscription("a/\n"),))),
    (V3, "82 05 0001 0000 00", "[MQTT-4.7.3-1]", 0x8F, Subscribe(1, (Subscription(""),))),
    (V3, "82 07 0001 0003 612f62", "ends within", 0x81, ALWAYS),
    (V3, "82 07 0001 0002 6123 00", "[MQTT-4.7.1-2]", 0x8F, Subscribe(1, (Subscription("a#"),))),
    (V3, "82 07 0001 0002 612b 00", "[MQTT-4.7.1-3]", 0x8F, Subscribe(1, (Subscription("a+"),))),
    (V3, "90 03 0001 03", "[MQTT-3.9.3-2]", 0x82, Suback(1, (3,))),
    (V3, "90 02 0001", "[MQTT-3.8.4-5]", 0x82, Suback(1, ())),
    (V3, "a2 02 0001", "[MQTT-3.10.3-2]", 0x82, Unsubscribe(1, ())),
    (V5, "b0 04 0001 00 01", "[MQTT-3.11.3-2]", 0x82, Unsuback(1, (1,))),
    # DISCONNECT, AUTH
    (V3, "e0 01 00", "must end where", 0x81, Disconnect()),
    (V5, "e0 01 01", "[MQTT-3.14.2-1]", 0x82, Disconnect(1)),
    (V5, "f0 02 01 00", "[MQTT-3.15.2-1]", 0x82, Auth(1)),
    (V5, "f0 01 18", "ends within its property length", 0x81, Auth(0x18)),
    (V5, "f0 02 18 00", "MQTT 5 section 3.15.2.2.2", 0x82, Auth(0x18)),
    (
        V5,
        "f0 06 00 04 1f 0001 61",
        "MQTT 5 section 3.15.2.2.2",
        0x82,
        Auth(0, {"reason_string": "a"}),
    ),
    # properties
    (V5, "20 07 00 00 8080808001", "property length of more than 4 bytes", 0x81, ALWAYS),
    (V5, "20 05 00 00 02 00 00", "property 0x00", 0x81, ALWAYS),
    (V5, "20 05 00 00 02 01 00", "MQTT 5 section 2.2.2.2", 0x81, Connack(properties={"payload_format_indicator": 0})),
    (V5, "20 07 00 00 04 2501 2501", "a second retain_available", 0x82, Connack(properties={"retain_available": 1})),
    (V5, "20 05 00 00 02 2502", "retain_available 2", 0x82, Connack(properties={"retain_available": 2})),
    (V5, "20 06 00 00 03 21 0000", "receive_maximum 0", 0x82, Connack(properties={"receive_maximum": 0})),
    (V5, "20 05 00 00 02 21 00", "ends within its receive_maximum", 0x81, ALWAYS),
    (V5, "20 04 00 00 05 21", "ends within its properties", 0x81, ALWAYS),
    (V5, "20 06 00 87 03 16 0000", "", 0, Connack(False, 0x87, {"authentication_data": b""})),
    (
        V5,
        "10 11 0004 4d515454 05 02 003c 03 16 0000 0001 61",
        "section 3.1.2.11.10",
        0x82,
        Connect("a", V5, properties={"authentication_data": b""}),
    ),
    (V5, "20 06 00 00 03 16 0000", "section 3.1.2.11.10", 0x82, Connack(properties={"authentication_data": b""})),
    # the same mistakes in MQTT 5, where its statement has another number or its code another meaning
    (V5, "60 02 0001", "[MQTT-3.6.1-1]", 0x81, Pubrel(1)),
    (V5, "80 07 0001 00 0001 61 00", "[MQTT-3.8.1-1]", 0x81, Subscribe(1, (Subscription("a"),))),
    (V5, "a0 06 0001 00 0001 61", "[MQTT-3.10.1-1]", 0x81, Unsubscribe(1, ("a",))),
    (V5, "e1 00", "[MQTT-3.14.1-1]", 0x81, Disconnect()),
    (V5, "c0 01 00", "MQTT 5 section 2.1.4", 0x81, Pingreq()),
    (V5, "30 04 0001 00 00", "[MQTT-1.5.4-2]", 0x81, Publish("\0")),
    (V5, "10 0e 0004 4d515454 05 03 003c 00 0001 61", "[MQTT-3.1.2-3]", 0x81, Connect("a", V5)),
    (V5, "10 0e 0004 4d515454 05 0a 003c 00 0001 61", "[MQTT-3.1.2-11]", 0x81, Connect("a", V5)),
    (V5, "10 0e 0004 4d515454 05 22 003c 00 0001 61", "[MQTT-3.1.2-13]", 0x81, Connect("a", V5)),
    (
        V5,
        "10 15 0004 4d515454 05 1e 003c 00 0001 61 00 0001 77 0001 78",
        "[MQTT-3.1.2-12]",
        0x81,
        Connect("a", V5, will=Will("w", b"x", 3)),
    ),
    (
        V5,
        "10 14 0004 4d515454 05 06 003c 00 0001 61 00 0000 0001 78",
        "[MQTT-4.7.3-1]",
        0x90,
        Connect("a", V5, will=Will("", b"x")),
    ),
    (
        V5,
        "10 15 0004 4d515454 05 06 003c 00 0001 61 00 0001 2b 0001 78",
        "[MQTT-4.7.0-1]",
        0x90,
        Connect("a", V5, will=Will("+", b"x")),
    ),
    (V5, "36 06 0001 61 0001 00", "[MQTT-3.3.1-4]", 0x81, Publish("a", qos=3, packet_id=1)),
    (V5, "38 04 0001 61 00", "[MQTT-3.3.1-2]", 0x81, Publish("a", dup=True)),
    (V5, "30 04 0001 23 00", "[MQTT-3.3.2-2]", 0x90, Publish("#")),
    (V5, "50 03 0001 92", "[MQTT-3.5.2-1]", 0x82, Pubrec(1, 0x92)),
    (V5, "70 03 0001 10", "[MQTT-3.7.2-1]", 0x82, Pubcomp(1, 0x10)),
    (V5, "82 07 0001 00 0001 61 03", "MQTT 5 section 3.8.3.1", 0x82, Subscribe(1, (Subscription("a", 3),))),
    (V5, "82 08 0001 00 0002 6123 00", "[MQTT-4.7.1-1]", 0x8F, Subscribe(1, (Subscription("a#"),))),
    (V5, "82 08 0001 00 0002 612b 00", "[MQTT-4.7.1-2]", 0x8F, Subscribe(1, (Subscription("a+"),))),
    (V5, "82 09 0001 02 0b00 0001 61 00", "subscription_identifier 0", 0x82, subscribe_with_identifier(0)),
    (V5, "82 0b 0001 04 0b01 0b02 0001 61 00", "a second subscription_id", 0x82, subscribe_with_identifier(2)),
    (V5, "90 04 0001 00 03", "[MQTT-3.9.3-2]", 0x82, Suback(1, (3,))),
    (V5, "90 03 0001 00", "[MQTT-3.8.4-6]", 0x82, Suback(1, ())),
    (V5, "a2 03 0001 00", "[MQTT-3.10.3-2]", 0x82, Unsubscribe(1, ())),
    (V5, "b0 03 0001 00", "[MQTT-3.11.3-1]", 0x82, Unsuback(1, ())),
]


@pytest.mark.parametrize(
    ("version", "text", "says", "code", "tolerant"), BROKEN, ids=[f"{v}: {t}" for v, t, *_ in BROKEN]
)
def test_what_must_be_refused(version: Version, text: str, says: str, code: int, tolerant: Any) -> None:
    frame = bytes.fromhex(text)
    if says:
        assert frame[1] == len(frame) - 2 or frame[1] > 127 or "behind it" in says, "a slip in this table"
        with pytest.raises(ProtocolError) as caught:
            decode(frame, version)
        assert says in caught.value.reason
        assert caught.value.code == code
        assert caught.value.raw == frame
        assert "\n" not in caught.value.reason
    else:
        assert decode(frame, version) == tolerant
    if tolerant is ALWAYS:
        with pytest.raises(ProtocolError):
            decode(frame, version, strict=False)
    else:
        assert decode(frame, version, strict=False) == tolerant


def test_a_frame_that_is_not_exactly_one_packet_is_refused() -> None:
    for frame in (b"", b"\xc0", b"\xc0\0\0", b"\x30\x05\0\1a", b"\xc0\x80", b"\xc0\xff\xff\xff\xff\x00"):
        with pytest.raises(ProtocolError):
            decode(frame, V3)
        with pytest.raises(ProtocolError):
            decode(frame, V3, strict=False)


def test_strict_encoding_refuses_what_strict_decoding_refuses() -> None:
    for version, text, says, _code, packet in BROKEN:
        if packet is ALWAYS or not says or isinstance(packet, Pingreq | Connack) or decodes_strictly(packet, version):
            continue  # the mistake was in the bytes alone
        with pytest.raises(ProtocolError, match="MQTT"):
            encode(packet, version)
        assert isinstance(encode(packet, version, strict=False), bytes), text


def decodes_strictly(packet: Packet, version: Version) -> bool:
    try:
        decode(encode(packet, version, strict=False), version)
    except ProtocolError:
        return False
    return True


@pytest.mark.parametrize(
    "packet",
    [
        Publish("a", properties={"topic_alias": 1}),
        Puback(1, 0x10),
        Disconnect(4),
        Auth(),
        Unsuback(1, (0,)),
        Connect("a", will=Will("t", properties={"will_delay_interval": 1})),
        Subscribe(1, (Subscription("a", no_local=True),)),
        Connack(properties={"receive_maximum": 1}),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_what_only_mqtt_5_has_is_never_dropped_in_silence(packet: Packet, strict: bool) -> None:
    with pytest.raises(ProtocolError, match="only MQTT 5"):
        encode(packet, V3, strict=strict)


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (Publish("a", qos=1, packet_id=70000), "packet id 70000: it must be 0 to 65535"),
        (Publish("a" * 70000), "of 70000 bytes: at most 65535"),
        (Publish("\ud800"), "well-formed UTF-8"),
        (Publish("a", qos=4, packet_id=1), "QoS 4"),
        (Connect("a", keep_alive=-1), "keep alive -1"),
        (Publish("a", properties={"colour": 1}), "'colour': MQTT 5 has none of that name"),
        (Publish("a", properties={"content_type": 1}), "property content_type as 1: str is expected"),
        (Publish("a", properties={"user_property": (("a",),)}), "a tuple of (str, str) pairs is expected"),
        (Publish("a", properties={"topic_alias": 70000}), "topic_alias 70000"),
    ],
)
def test_what_the_format_has_no_room_for_is_refused_in_any_case(packet: Packet, says: str) -> None:
    version = V5 if getattr(packet, "properties", None) else V3
    for strict in (True, False):
        with pytest.raises(ProtocolError) as caught:
            encode(packet, version, strict=strict)
        assert says in caught.value.reason or (strict and "[" in caught.value.reason)


def test_a_packet_id_at_qos_0_cannot_be_written() -> None:
    for version, clause in ((V3, "[MQTT-2.3.1-5]"), (V5, "[MQTT-2.2.1-2]")):
        with pytest.raises(ProtocolError) as caught:
            encode(Publish("a", packet_id=1), version)
        assert clause in caught.value.reason


LIMITS = [
    # property, a packet that may carry it, the least and the most that the standard allows
    ("payload_format_indicator", Publish("a"), 0, 1),
    ("message_expiry_interval", Publish("a"), 0, 0xFFFFFFFF),
    ("subscription_identifier", Publish("a"), 1, 268_435_455),
    ("topic_alias", Publish("a"), 1, 0xFFFF),
    ("session_expiry_interval", Connack(), 0, 0xFFFFFFFF),
    ("server_keep_alive", Connack(), 0, 0xFFFF),
    ("receive_maximum", Connack(), 1, 0xFFFF),
    ("topic_alias_maximum", Connack(), 0, 0xFFFF),
    ("maximum_qos", Connack(), 0, 1),
    ("retain_available", Connack(), 0, 1),
    ("maximum_packet_size", Connack(), 1, 0xFFFFFFFF),
    ("wildcard_subscription_available", Connack(), 0, 1),
    ("subscription_identifier_available", Connack(), 0, 1),
    ("shared_subscription_available", Connack(), 0, 1),
    ("request_problem_information", Connect("a", V5), 0, 1),
    ("request_response_information", Connect("a", V5), 0, 1),
]


@pytest.mark.parametrize(("name", "packet", "least", "most"), LIMITS, ids=[row[0] for row in LIMITS])
def test_the_limits_of_a_property(name: str, packet: Any, least: int, most: int) -> None:
    for value in (least, most):
        given = (value,) if name == "subscription_identifier" else value
        one = dataclasses.replace(packet, properties={name: given})
        assert decode(encode(one, V5), V5) == one
    for value in (least - 1, most + 1):
        with pytest.raises(ProtocolError, match=name):
            encode(dataclasses.replace(packet, properties={name: value}), V5)
