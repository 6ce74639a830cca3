"""MQTT as a stream: the same packets come out wherever it is cut, and what takes more than one packet to see."""

from __future__ import annotations

from typing import Any

import mqtt_strategies as some
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt_broken import AUTH_X, CONNACK5_X, CONNECT, CONNECT5, CONNECT5_X, FROM_A_CLIENT, FROM_A_SERVER

from hil.wire.mqtt import (
    Connect,
    Decoder,
    Disconnect,
    Packet,
    ProtocolError,
    Publish,
    Splitter,
    Version,
    encode,
)

V3, V5 = Version.V311, Version.V5


@given(st.binary(max_size=200), some.either_version | st.none(), st.booleans(), st.integers(1, 50))
@settings(max_examples=500, deadline=None)
def test_a_garbage_stream_gives_packets_or_a_protocol_error(
    data: bytes, version: Version | None, strict: bool, piece: int
) -> None:
    pieces = [data[i : i + piece] for i in range(0, len(data), piece)]
    assert run(version, strict, [data]) == run(version, strict, pieces)


def run(version: Version | None, strict: bool, pieces: list[bytes]) -> tuple[Any, ...]:
    """All packets, then the error that ended the stream."""
    decoder = Decoder(version, strict)
    packets: list[tuple[Packet, bytes]] = []
    for piece in pieces:
        try:
            packets += decoder.feed(piece)
        except ProtocolError as error:
            packets += error.packets
            with pytest.raises(ProtocolError) as again:
                decoder.feed(b"\xc0\0")
            repeated = (again.value.reason, again.value.packets) == (error.reason, [])
            return packets, error.reason, error.code, repeated
    return packets, decoder.pending


@st.composite
def streams(draw: st.DrawFn) -> tuple[Version, list[Packet]]:
    version = draw(some.either_version)
    first = draw(some.connects(version))
    rest = draw(st.lists(some.publishes(version).filter(lambda packet: packet.topic), max_size=4))
    return version, [first, *(drop_subscription_id(p) for p in rest), Disconnect()]


def drop_subscription_id(packet: Publish) -> Publish:
    """What a client may send."""
    kept = {k: v for k, v in packet.properties.items() if k != "subscription_identifier"}
    return Publish(packet.topic, packet.payload, packet.qos, packet.retain, packet.dup, packet.packet_id, kept)


@given(streams(), st.binary(max_size=5))
@settings(max_examples=60, deadline=None)
def test_split_at_every_position_the_stream_is_the_same(case: tuple[Version, list[Packet]], tail: bytes) -> None:
    version, packets = case
    frames = [encode(packet, version) for packet in packets]
    data = b"".join(frames) + tail
    whole = run(None, True, [data])
    assert whole[0] == list(zip(packets, frames, strict=True))
    assert run(None, True, [bytes((b,)) for b in data]) == whole
    for at in range(len(data) + 1):
        assert run(None, True, [data[:at], data[at:]]) == whole


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 129, 16383, 16384, 2097151, 2097152])
def test_the_splitter_knows_lengths_of_one_to_four_bytes(size: int) -> None:
    frame = encode(Publish("t", bytes(size)), V3)
    assert Splitter().feed(frame + frame + b"\xc0") == [frame, frame]
    splitter = Splitter()
    assert splitter.feed(frame[:-1]) == []
    assert splitter.pending == frame[:-1]
    assert splitter.feed(frame[-1:] + frame[:3]) == [frame]
    assert splitter.feed(frame[3:]) == [frame]
    assert splitter.pending == b""


def test_the_splitter_takes_a_large_packet_in_small_pieces() -> None:
    frame = encode(Publish("t", bytes(1_000_000)), V3)
    splitter = Splitter()
    found = []
    for i in range(0, len(frame), 100):
        found += splitter.feed(frame[i : i + 100])
    assert found == [frame]


def test_a_length_of_five_bytes_is_refused_as_soon_as_it_shows() -> None:
    splitter = Splitter()
    with pytest.raises(ProtocolError, match="more than four bytes") as caught:
        splitter.feed(b"\xc0\0\x30\xff\xff\xff\xff")
    assert caught.value.frames == [b"\xc0\0"]
    assert caught.value.raw == b"\x30\xff\xff\xff\xff"
    with pytest.raises(ProtocolError, match="more than four bytes"):
        splitter.feed(b"\xc0\0")


def test_a_packet_above_the_limit_is_refused_before_it_is_collected() -> None:
    splitter = Splitter(max_packet=100)
    frame = encode(Publish("t", bytes(95)), V3)
    assert len(frame) == 100
    assert splitter.feed(frame) == [frame]
    with pytest.raises(ProtocolError, match=r"a packet of 101 bytes, at most 100") as caught:
        splitter.feed(encode(Publish("t", bytes(96)), V3)[:2])
    assert caught.value.code == 0x95


def test_the_version_is_learnt_from_connect() -> None:
    decoder = Decoder()
    assert decoder.version is None
    (connect, publish) = decoder.feed(CONNECT5 + encode(Publish("a", b"x"), V5))
    assert decoder.version is V5
    assert connect == (Connect("a", V5), CONNECT5)
    assert publish[0] == Publish("a", b"x")


@pytest.mark.parametrize(("data", "says"), FROM_A_CLIENT)
def test_what_a_client_must_not_send(data: bytes, says: str) -> None:
    whole = run(None, True, [data])
    assert says in whole[1]
    assert whole[-1], "a later call must raise the same"
    assert run(None, True, [bytes((b,)) for b in data]) == whole


@pytest.mark.parametrize(("version", "data", "says"), FROM_A_SERVER)
def test_what_a_server_must_not_send(version: Version, data: bytes, says: str) -> None:
    whole = run(version, True, [data])
    assert says in whole[1]
    assert run(version, True, [bytes((b,)) for b in data]) == whole
    decoder = Decoder(version, sender="either")
    assert decoder.feed(data)


def test_what_a_server_may_send() -> None:
    published = bytes.fromhex("30 06 0001 61 02 0b01 30 07 0001 61 03 23 0001 30 06 0000 03 23 0001")
    data = AUTH_X + AUTH_X + CONNACK5_X + published + AUTH_X + b"\xf0\0\xe0\1\x8e"
    assert len(run(V5, True, [data])[0]) == 9
    assert run(V5, True, [data])[1] == b""


def test_what_a_client_may_send() -> None:
    data = CONNECT5_X + bytes.fromhex("f006 18 04 15 0001 78 4002 0001 e007 04 05 11 00000001")
    assert len(run(None, True, [data])[0]) == 4
    assert run(None, True, [data])[1] == b""


def test_a_decoder_keeps_what_came_before_the_error() -> None:
    good = encode(Publish("a", b"1"), V3)
    decoder = Decoder()
    with pytest.raises(ProtocolError) as caught:
        decoder.feed(CONNECT + good + b"\x36\x05\0\1a\0\1" + good)
    assert caught.value.packets == [(Connect("a"), CONNECT), (Publish("a", b"1"), good)]
    assert caught.value.raw == b"\x36\x05\0\1a\0\1"


def test_a_tolerant_decoder_applies_no_order() -> None:
    decoder = Decoder(strict=False)
    assert len(decoder.feed(CONNECT + CONNECT5 + b"\x20\3\0\0\0" + b"\xe0\0\xc1\0")) == 5
    assert decoder.version is V5
    with pytest.raises(ProtocolError, match="before the version is known"):
        Decoder(strict=False).feed(b"\xc0\0")


def test_a_packet_that_is_not_whole_is_not_copied_with_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of what has come so far, at each piece, makes a large packet in small pieces cost its size squared."""

    def copied(splitter: Splitter) -> bytes:
        raise AssertionError("the beginning was copied")

    monkeypatch.setattr(Splitter, "pending", property(copied))
    frame = encode(Publish("t", bytes(10_000)), V3)
    decoder = Decoder(V3, sender="either")
    found = [packet for at in range(0, len(frame), 10) for packet in decoder.feed(frame[at : at + 10])]
    assert len(found) == 1


def test_a_stream_whose_version_is_not_known_needs_connect_from_either_side() -> None:
    for piece in (b"\xf0\0", b"\xf0"):
        with pytest.raises(ProtocolError, match="before the version is known"):
            Decoder(None, sender="either").feed(piece)
