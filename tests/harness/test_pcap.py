"""Captures: pcap and pcapng, what frames carry, and TCP streams put together again."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path
from shutil import which

import pytest
from captures import FRAMINGS, Capture, pcapng
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.wire import ip, pcap, tls_records
from hil.wire.tcp_stream import conversations

TIMES = [1_795_000_000.123456, 1_795_000_001.5]


def heard(capture: Capture) -> list[tuple[int, float, ip.Packet]]:
    frames = list(pcap.read(capture.pcap()))
    packets = [(number, frame.time, ip.parse(frame)) for number, frame in enumerate(frames, 1)]
    return [(number, time, packet) for number, time, packet in packets if packet is not None]


def test_what_is_written_is_read() -> None:
    frames = [(time, bytes([n]) * n) for n, time in enumerate(TIMES, 1)]
    data = pcap.write(pcap.LINK_ETHERNET, frames)
    read = list(pcap.read(data))
    assert [frame.time for frame in read] == pytest.approx(TIMES, abs=1e-6)
    assert [(frame.link, frame.data) for frame in read] == [(pcap.LINK_ETHERNET, body) for _, body in frames]
    assert len(list(pcap.read(data[:-1]))) == 1, "a last frame that was cut off is left out"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("resolution", [6, 9])
def test_both_formats_in_both_orders(order: str, resolution: int) -> None:
    frames = [(time, b"abcde") for time in TIMES]
    read = list(pcap.read(pcapng(pcap.LINK_RAW, frames, order, resolution)))
    assert [frame.time for frame in read] == pytest.approx(TIMES, abs=1e-6)
    assert [(frame.link, frame.data) for frame in read] == [(pcap.LINK_RAW, b"abcde")] * 2
    magic = 0xA1B2C3D4 if resolution == 6 else 0xA1B23C4D
    old = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 101)
    old += struct.pack(f"{order}IIII", 7, 5 * 10 ** (resolution - 1), 3, 9) + b"abc"
    assert list(pcap.read(old)) == [pcap.Frame(7.5, 101, b"abc")]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_packet_within_each_frame(framing: str) -> None:
    link, frame = FRAMINGS[framing]
    capture = Capture()
    capture.connect().say("up", b"hello")
    packets = [ip.parse(pcap.Frame(0.0, link, frame(data) + b"trailer")) for _, data in capture.frames]
    assert [packet.payload for packet in packets if packet is not None] == [b"", b"", b"hello"]
    assert ip.parse(pcap.Frame(0.0, pcap.LINK_ETHERNET, bytes(12) + b"\x08\x06" + bytes(28))) is None, "that is ARP"


def test_ipv6_with_an_extension_header() -> None:
    tcp = struct.pack("!HHIIBBHHH", 50000, 8883, 1, 0, 5 << 4, ip.ACK, 0, 0, 0) + b"hi"
    extension = bytes([6, 0]) + bytes(6)
    addresses = bytes(15) + b"\x01" + bytes(15) + b"\x02"
    data = struct.pack("!IHBB", 6 << 28, len(extension + tcp), 0, 64) + addresses + extension + tcp
    packet = ip.parse(pcap.Frame(0.0, pcap.LINK_RAW, data))
    assert packet is not None
    assert (packet.source, packet.target, packet.payload) == (("::1", 50000), ("::2", 8883), b"hi")


def test_a_stream_whatever_the_network_does_to_it() -> None:
    """Shuffled within a window, sent twice, and over the end of the sequence numbers."""
    sent = bytes(random.Random(1).randrange(256) for _ in range(5000))
    capture = Capture()
    connection = capture.connect()
    for at in range(0, len(sent), 500):
        connection.segment("up", ip.ACK, sent[at : at + 500])
        connection.segment("up", ip.ACK, sent[max(0, at - 100) : at + 500], back=min(at, 100) + 500)
    middle = capture.frames[3:-2]
    random.Random(2).shuffle(middle)
    capture.frames[3:-2] = middle
    connection.end("down", "reset")
    (found,) = conversations(heard(capture))
    assert bytes(found.up.data) == sent
    assert found.up.whole
    assert (found.ended, found.how) == ("server", "reset")
    assert found.up.when(0)[0] == 3
    assert found.up.when(len(sent) - 1)[0] > 3


def test_a_keep_alive_of_tcp_is_no_byte_of_the_stream() -> None:
    """A probe carries one byte that was sent before (RFC 9293, section 3.8.4), here the one before the first."""
    capture = Capture()
    connection = capture.connect()
    connection.segment("up", ip.ACK, b"\0", back=1)
    connection.say("up", b"hello")
    (found,) = conversations(heard(capture))
    assert (bytes(found.up.data), found.up.whole) == (b"hello", True)


def test_a_gap_ends_what_is_known() -> None:
    capture = Capture()
    capture.connect().say("up", b"one").say("up", b"two").say("up", b"six")
    del capture.frames[3]
    (found,) = conversations(heard(capture))
    assert (bytes(found.up.data), found.up.whole) == (b"one", False)


def test_a_port_that_is_used_again_is_another_connection() -> None:
    capture = Capture()
    for data in (b"one", b"two"):
        connection = capture.connect()
        capture._ports -= 1
        connection.say("up", data).end("up")
    found = conversations(heard(capture))
    assert [bytes(conversation.up.data) for conversation in found] == [b"one", b"two"]
    assert [conversation.ended for conversation in found] == ["client", "client"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_captures_end_in_one_error(data: st.DataObject) -> None:
    capture = Capture()
    capture.connect().say("up", b"\x16\x03\x03\x00\x05hello").end("up")
    whole = data.draw(st.sampled_from([capture.pcap(), pcapng(pcap.LINK_RAW, capture.frames)]))
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        frames = list(pcap.read(bytes(damaged)[: data.draw(st.integers(0, len(damaged)))]))
    except pcap.CaptureError:
        return
    packets = [(n, frame.time, packet) for n, frame in enumerate(frames) if (packet := ip.parse(frame)) is not None]
    for conversation in conversations(packets):
        tls_records.read(bytes(conversation.up.data))


def test_records_that_are_none_end_it() -> None:
    assert tls_records.read(b"\x15\x03\x03\x00\x02\x02\x30GET / HTTP").rest == 7
    assert [alert.description for alert in tls_records.read(b"\x15\x03\x03\x00\x02\x02\x30").alerts] == [0x30]
    assert tls_records.read(b"\x16\x03\x03\x00").messages == []


@pytest.mark.skipif(which("tcpdump") is None, reason="tcpdump is not installed")
def test_tcpdump_reads_what_is_written(tmp_path: Path) -> None:
    capture = Capture()
    capture.connect().say("up", b"hello")
    (tmp_path / "a.pcap").write_bytes(capture.pcap())
    told = subprocess.run(
        ["tcpdump", "-nr", "a.pcap"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300
    )
    assert "10.0.0.7.40001 > 10.0.0.1.8883: Flags [S]" in told.stdout
    assert told.stdout.splitlines()[2].endswith("length 5")
