"""The SNTP codec against the bytes and dates that the RFCs give."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.wire import sntp


def unix(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        # RFC 5905, figure 4: era 0 and era 1 dates and their NTP seconds.
        (unix(1970, 1, 1), 2_208_988_800),
        (unix(1972, 1, 1), 2_272_060_800),
        (unix(1999, 12, 31), 3_155_587_200),
        (unix(2036, 2, 7, 6, 28, 15), 0xFFFFFFFF),
        (unix(2036, 2, 7, 6, 28, 16), 0),
        (unix(2036, 2, 8), 63_104),
    ],
)
def test_timestamps_of_known_dates(seconds: float, expected: int) -> None:
    assert sntp.from_unix(seconds) >> 32 == expected
    assert sntp.to_unix(expected << 32) == seconds


@given(st.integers(int(unix(1968, 1, 21)), int(unix(2104, 2, 26))), st.integers(0, (1 << 20) - 1))
def test_timestamps_survive_both_ways_from_1968_to_2104(whole: int, fraction: int) -> None:
    seconds = whole + fraction / (1 << 20)
    assert sntp.to_unix(sntp.from_unix(seconds)) == pytest.approx(seconds, abs=1e-6)


def test_request_is_48_bytes_of_version_4_mode_3_with_only_the_nonce_set() -> None:
    nonce, packet = sntp.request()
    assert packet == struct.pack("!B39xQ", 0x23, nonce)
    assert sntp.request()[0] != nonce


def test_response_echoes_the_request_bit_for_bit_and_gives_the_offset() -> None:
    nonce, packet = sntp.request()
    question = sntp.parse_request(packet)
    now = unix(2026, 3, 1, 12)
    answer = sntp.response(question, received=now, transmitted=now + 0.5)
    assert answer[24:32] == packet[40:48]
    reply = sntp.parse_response(answer, nonce)
    # The board thinks it is 1970: sent at 10.0, arrived at 10.7, 0.1 s each way.
    assert reply.offset(10.0, 10.7) == pytest.approx(now - 10.1, abs=1e-6)
    assert reply.delay(10.0, 10.7) == pytest.approx(0.2, abs=1e-6)


def test_offset_over_the_turn_of_the_era() -> None:
    nonce, packet = sntp.request()
    later = unix(2036, 2, 7, 6, 28, 20)
    answer = sntp.response(sntp.parse_request(packet), received=later, transmitted=later)
    assert sntp.parse_response(answer, nonce).offset(later - 10, later - 10) == pytest.approx(10, abs=1e-6)


@pytest.mark.parametrize("code", ["RATE", "DENY", "RSTR"])
def test_kiss_of_death(code: str) -> None:
    nonce, packet = sntp.request()
    refusal = sntp.kiss(sntp.parse_request(packet), code)
    assert (refusal[0] >> 6, refusal[1], refusal[12:16]) == (3, 0, code.encode())
    with pytest.raises(sntp.KissOfDeath, match=code) as caught:
        sntp.parse_response(refusal, nonce)
    assert caught.value.code == code


def test_kiss_of_death_for_another_request_is_not_believed() -> None:
    nonce, _ = sntp.request()
    _, other = sntp.request()
    with pytest.raises(sntp.SntpError, match="not an answer to this request") as caught:
        sntp.parse_response(sntp.kiss(sntp.parse_request(other), "DENY"), nonce)
    assert not isinstance(caught.value, sntp.KissOfDeath)


def test_kiss_code_must_be_letters() -> None:
    question = sntp.parse_request(sntp.request()[1])
    with pytest.raises(ValueError, match="one to four ASCII letters"):
        sntp.kiss(question, "TOO LONG")


def test_answers_without_a_time_are_refused() -> None:
    nonce, packet = sntp.request()
    question = sntp.parse_request(packet)
    for change in ({"stratum": 16}, {"leap": 3}):
        with pytest.raises(sntp.NotSynchronised):
            sntp.parse_response(sntp.response(question, received=1e9, transmitted=1e9, **change), nonce)  # type: ignore[arg-type]
    zero = bytearray(sntp.response(question, received=1e9, transmitted=1e9))
    zero[40:48] = bytes(8)
    with pytest.raises(sntp.NotSynchronised):
        sntp.parse_response(bytes(zero), nonce)


def test_what_is_no_packet_of_that_side_is_refused() -> None:
    nonce, packet = sntp.request()
    with pytest.raises(sntp.SntpError, match="47 bytes, expected at least 48"):
        sntp.parse_request(packet[:47])
    with pytest.raises(sntp.SntpError, match="mode 3, expected 4"):
        sntp.parse_response(packet, nonce)
    with pytest.raises(sntp.SntpError, match="mode 4, expected 3"):
        sntp.parse_request(sntp.response(sntp.parse_request(packet), received=0, transmitted=0))
    with pytest.raises(sntp.SntpError, match="version 0"):
        sntp.parse_request(bytes([0x03]) + packet[1:])


@given(
    st.builds(
        sntp.Packet,
        leap=st.integers(0, 3),
        version=st.integers(0, 7),
        mode=st.integers(0, 7),
        stratum=st.integers(0, 255),
        poll=st.integers(-128, 127),
        precision=st.integers(-128, 127),
        root_delay=st.integers(0, 0xFFFFFFFF).map(lambda n: n / 65536),
        root_dispersion=st.integers(0, 0xFFFFFFFF).map(lambda n: n / 65536),
        reference_id=st.binary(min_size=4, max_size=4),
        reference=st.integers(0, 2**64 - 1),
        originate=st.integers(0, 2**64 - 1),
        receive=st.integers(0, 2**64 - 1),
        transmit=st.integers(0, 2**64 - 1),
    ),
    st.binary(max_size=24),
)
def test_decode_undoes_encode_and_ignores_what_follows(packet: sntp.Packet, extension: bytes) -> None:
    assert sntp.decode(packet.encode() + extension) == packet


def test_a_kiss_code_that_is_no_text_stays_on_its_line() -> None:
    nonce, packet = sntp.request()
    refusal = bytearray(sntp.kiss(sntp.parse_request(packet), "RATE"))
    refusal[12:16] = b"\n\x1b[A"
    with pytest.raises(sntp.KissOfDeath) as caught:
        sntp.parse_response(bytes(refusal), nonce)
    assert str(caught.value).isprintable()
    assert caught.value.code == "0a1b5b41"
