"""What the standards forbid: each rule with bytes that break it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from mqtt_broken import ALWAYS, BROKEN

from hil.wire.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    ProtocolError,
    Puback,
    Publish,
    Subscribe,
    Subscription,
    Unsuback,
    Version,
    Will,
    decode,
    encode,
)

V3, V5 = Version.V311, Version.V5


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
