"""The loader's packets and their SLIP frames, against the standard's examples and by property."""

from __future__ import annotations

import functools
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.wire import slip
from hil.wire.esp_loader import BadPacket, Command, Reply, Request, checksum

packets = st.lists(st.binary(min_size=1, max_size=60), max_size=6)


def test_end_and_escape_bytes_are_escaped() -> None:
    assert slip.encode(b"\x01\xc0\xdb\x02") == b"\xc0\x01\xdb\xdc\xdb\xdd\x02\xc0"


@given(packets, st.integers(1, 7))
def test_every_packet_comes_back_however_the_bytes_are_cut(sent: list[bytes], size: int) -> None:
    wire = b"".join(slip.encode(packet) for packet in sent)
    decoder = slip.Decoder()
    got = [p for start in range(0, len(wire), size) for p in decoder.feed(wire[start : start + size])]
    assert got == sent


def test_noise_before_a_frame_is_dropped() -> None:
    decoder = slip.Decoder()
    assert decoder.feed(b"waiting for download\r\n" + slip.encode(b"abc")) == [b"abc"]


def test_a_frame_with_a_broken_escape_is_dropped_and_the_next_one_read() -> None:
    decoder = slip.Decoder()
    assert decoder.feed(b"\xc0a\xdbb\xc0" + slip.encode(b"next")) == [b"next"]


def test_a_frame_without_end_is_given_up() -> None:
    decoder = slip.Decoder(most=10)
    assert decoder.feed(b"\xc0" + b"x" * 50) == []
    assert decoder.feed(slip.encode(b"next")) == [b"next"]


def test_requests_and_replies_as_traced() -> None:
    request = Request(Command.READ_REG, bytes.fromhex("00100040"))
    assert slip.encode(request.encode()).hex() == "c0000a04000000000000100040c0"
    reply = Reply.decode(bytes.fromhex("010a0400831df00000000000"))
    assert (reply.op, reply.value, reply.data) == (Command.READ_REG, 0x00F01D83, bytes(4))


@given(st.integers(0, 255), st.binary(max_size=100), st.integers(0, 2**32 - 1))
def test_packets_survive_the_round_trip(op: int, data: bytes, word: int) -> None:
    assert Request.decode(Request(op, data, word).encode()) == Request(op, data, word)
    assert Reply.decode(Reply(op, word, data).encode()) == Reply(op, word, data)


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (b"\x00\x08", "at least 8 bytes"),
        (b"\x01\x08\x00\x00\x00\x00\x00\x00", "starts with 0x00"),
        (b"\x00\x08\x05\x00\x00\x00\x00\x00ab", "announces 5 bytes of data and carries 2"),
    ],
)
def test_bad_requests_say_what_is_wrong(packet: bytes, words: str) -> None:
    with pytest.raises(BadPacket, match=words):
        Request.decode(packet)


@given(st.binary(max_size=200))
def test_checksum_is_the_xor_of_all_bytes(data: bytes) -> None:
    assert checksum(data) == functools.reduce(operator.xor, data, 0xEF)
