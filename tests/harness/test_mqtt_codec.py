"""Single MQTT packets: against bytes written out by hand, there and back, and whatever else may come."""

from __future__ import annotations

import pickle

import mqtt_strategies as some
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hil.wire.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    ProtocolError,
    Puback,
    Publish,
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

# Written out by hand from the tables of the standards.
WRITTEN: list[tuple[Version, str, Packet]] = [
    (V3, "10 0d 0004 4d515454 04 02 003c 0001 61", Connect("a", V3, True, 60)),
    (
        V3,
        "10 1e 0004 4d515454 04 ee 000a 0001 61 0003 772f74 0003 627965 0001 75 0002 00ff",
        Connect("a", V3, True, 10, "u", b"\0\xff", Will("w/t", b"bye", 1, True)),
    ),
    (
        V5,
        "10 23 0004 4d515454 05 06 000a 05 11 0000000a 0001 61 05 18 00000005 0003 772f74 0003 627965",
        Connect(
            "a",
            V5,
            True,
            10,
            will=Will("w/t", b"bye", properties={"will_delay_interval": 5}),
            properties={"session_expiry_interval": 10},
        ),
    ),
    (V3, "20 02 01 00", Connack(True, 0)),
    (V3, "20 02 00 05", Connack(False, 5)),
    (V5, "20 06 00 00 03 22 000a", Connack(False, 0, {"topic_alias_maximum": 10})),
    (V3, "30 07 0003 612f62 6869", Publish("a/b", b"hi")),
    (V3, "3b 07 0003 612f62 000a", Publish("a/b", b"", 1, True, True, 10)),
    (V5, "30 08 0003 612f62 00 6869", Publish("a/b", b"hi")),
    (
        V5,
        "34 12 0003 612f62 0007 08 0b01 0bff01 230002 6869",
        Publish("a/b", b"hi", 2, packet_id=7, properties={"subscription_identifier": (1, 255), "topic_alias": 2}),
    ),
    (V5, "40 02 0001", Puback(1)),
    (V5, "40 03 0001 10", Puback(1, 16)),
    (V3, "62 02 1234", Pubrel(0x1234)),
    (V3, "82 0b 0001 0001 23 02 0002 612f 01", Subscribe(1, (Subscription("#", 2), Subscription("a/", 1)))),
    (
        V5,
        "82 09 0001 02 0b05 0001 23 2d",
        Subscribe(1, (Subscription("#", 1, True, True, 2),), {"subscription_identifier": 5}),
    ),
    (V3, "90 04 0001 02 80", Suback(1, (2, 0x80))),
    (V5, "90 05 0001 00 02 87", Suback(1, (2, 0x87))),
    (V3, "a2 05 0001 0001 61", Unsubscribe(1, ("a",))),
    (V3, "b0 02 0001", Unsuback(1)),
    (V5, "b0 05 0001 00 00 11", Unsuback(1, (0, 0x11))),
    (V3, "c0 00", Pingreq()),
    (V3, "d0 00", Pingresp()),
    (V3, "e0 00", Disconnect()),
    (V5, "e0 00", Disconnect()),
    (V5, "e0 01 04", Disconnect(4)),
    (
        V5,
        "e0 0c 8e 0a 26 0001 6b 0001 76 1f 0000",
        Disconnect(0x8E, {"user_property": (("k", "v"),), "reason_string": ""}),
    ),
    (V5, "f0 00", Auth()),
    (V5, "f0 06 18 04 15 0001 78", Auth(0x18, {"authentication_method": "x"})),
]


@pytest.mark.parametrize(("version", "text", "packet"), WRITTEN, ids=lambda v: v if isinstance(v, str) else "")
def test_packets_written_by_hand(version: Version, text: str, packet: Packet) -> None:
    frame = bytes.fromhex(text)
    assert frame[1] == len(frame) - 2, "a slip in this table"
    assert decode(frame, version) == packet
    assert encode(packet, version) == frame


@given(some.versioned)
@settings(max_examples=300, deadline=None)
def test_round_trip(case: tuple[Packet, Version]) -> None:
    packet, version = case
    frame = encode(packet, version)
    again = decode(frame, version)
    assert again == packet
    assert type(again) is type(packet)
    assert encode(again, version) == frame
    assert decode(frame, version, strict=False) == packet
    assert pickle.loads(pickle.dumps(again)) == packet


@given(st.binary(max_size=60), some.either_version | st.none(), st.booleans())
@example(b"\x10\x06\0\4MQTT", None, True)
@settings(max_examples=600, deadline=None)
def test_garbage_gives_a_packet_or_a_protocol_error(data: bytes, version: Version | None, strict: bool) -> None:
    for frame in (data, bytes([data[0] if data else 0x10, len(data[1:])]) + data[1:]):
        try:
            packet = decode(frame, version, strict=strict)
        except ProtocolError as error:
            reason = error.reason
        else:
            reason = "none"
            assert decode(encode(packet, version or V3, strict=False), version, strict=strict) == packet
        assert reason
        assert "\n" not in reason


@given(some.versioned, st.data())
@settings(max_examples=600, deadline=None)
def test_a_damaged_packet_gives_a_packet_or_a_protocol_error(case: tuple[Packet, Version], data: st.DataObject) -> None:
    packet, version = case
    frame = bytearray(encode(packet, version))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()) and len(frame) < 130:
        del frame[data.draw(st.integers(2, len(frame))) :]
        frame[1:2] = bytes((len(frame) - 2,))
    for strict in (True, False):
        try:
            found = decode(bytes(frame), version, strict=strict)
        except ProtocolError:
            continue
        if strict:
            assert decode(encode(found, version), version) == found


BOM = "\ufeff"


@pytest.mark.parametrize("version", Version)
def test_a_byte_order_mark_stays(version: Version) -> None:
    connect = Connect(BOM + "a", version, username=BOM, will=Will(BOM + "w" + BOM))
    assert decode(encode(connect, version)) == connect
    frame = bytes.fromhex("30 06 0004 efbbbf61") if version is V3 else bytes.fromhex("30 07 0004 efbbbf61 00")
    assert decode(frame, version) == Publish(BOM + "a")


def connect(version: Version, flags: int, content: str) -> bytes:
    """CONNECT of keep-alive 60 with whatever flags and payload."""
    properties = b"" if version is V3 else b"\0"
    body = b"\0\4MQTT" + bytes((version, flags)) + b"\0\x3c" + properties + bytes.fromhex(content)
    return bytes((0x10, len(body))) + body


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize(
    ("flags", "content", "says"),
    [
        # client id, will properties (5 alone), will topic, will payload, user name, password
        (0x02, "", "ends within its client id"),
        (0x02, "0001 61 0001 75", "after its end"),
        (0x06, "0001 61", "ends within its"),
        (0x06, "0001 61 W 0001 77", "ends within its will payload"),
        (0x02, "0001 61 0001 77 0001 78", "after its end"),
        (0x82, "0001 61", "ends within its user name"),
        (0xC2, "0001 61 0001 75", "ends within its password"),
        (0x82, "0001 61 0001 75 0001 70", "after its end"),
        (0xC6, "0001 61 W 0001 77 0001 78 0001 75 0001 70", ""),
    ],
)
def test_the_fields_that_connect_flags_announce(version: Version, flags: int, content: str, says: str) -> None:
    frame = connect(version, flags, content.replace("W", "" if version is V3 else "00"))
    if says:
        with pytest.raises(ProtocolError, match=says):
            decode(frame)
    else:
        assert decode(frame) == Connect("a", version, True, 60, "u", b"p", Will("w", b"x"))


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize(
    "content",
    [
        "0001 ff W 0001 77 0001 78 0001 75 0001 70",
        "0001 61 W 0001 ff 0001 78 0001 75 0001 70",
        "0001 61 W 0001 77 0001 78 0001 ff 0001 70",
    ],
)
def test_every_text_of_connect_is_utf_8(version: Version, content: str) -> None:
    frame = connect(version, 0xC6, content.replace("W", "" if version is V3 else "00"))
    with pytest.raises(ProtocolError, match=r"well-formed UTF-8"):
        decode(frame)
    assert isinstance(decode(frame, strict=False), Connect)


def test_user_properties_keep_their_order() -> None:
    pairs = (("b", "1"), ("a", "2"), ("b", "3"), ("b", "1"))
    packet = Publish("t", properties={"user_property": pairs, "subscription_identifier": (9, 1, 9)})
    found = decode(encode(packet, V5), V5)
    assert isinstance(found, Publish)
    assert found.properties["user_property"] == pairs
    assert found.properties["subscription_identifier"] == (9, 1, 9)


def test_hundred_thousands_of_properties_take_no_time_to_speak_of() -> None:
    """Time that grew with their square would be minutes, and the time-out of this run."""
    pairs = b"\x26\0\0\0\0" * 400_000
    body = b"\0\1a" + bytes((0x80 | len(pairs) & 0x7F, 0x80 | len(pairs) >> 7 & 0x7F, len(pairs) >> 14)) + pairs
    length = bytes((0x80 | len(body) & 0x7F, 0x80 | len(body) >> 7 & 0x7F, len(body) >> 14))
    found = decode(b"\x30" + length + body, V5)
    assert isinstance(found, Publish)
    assert found.properties["user_property"] == (("", ""),) * 400_000


def test_an_error_repeats_only_the_beginning_of_what_was_found() -> None:
    for bad in (Publish("+" * 60000), Publish("\0" * 60000), Publish("t", properties={"response_topic": "#" * 60000})):
        for version in Version:
            with pytest.raises(ProtocolError) as caught:
                encode(bad, version)
            assert len(caught.value.reason) < 400
