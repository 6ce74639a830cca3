"""SNTP datagrams: what the time server is asked, and what a board is answered.

What must hold: nothing but SntpError is raised, in one printable line; a packet encodes to the very bytes it came from;
a request that was understood can be answered, and the answer is one to that request.
"""

from __future__ import annotations

from typing import Final

from fuzz_reason import check_reason

from hil.wire import sntp

NOW = 1_750_000_000.5  # s since 1970


def run(data: bytes) -> None:
    """One input: a datagram. Raises where it is wrong."""
    try:
        packet = sntp.decode(data)
    except sntp.SntpError as error:
        check_reason(error)
        return
    assert packet.encode() == data[: sntp.PACKET_SIZE], "it encodes to other bytes"
    for stamp in (packet.reference, packet.originate, packet.receive, packet.transmit):
        # A float holds some 0.2 us of such times: the last of 2104 is rounded up, and counts from 1968 again.
        away = (sntp.from_unix(sntp.to_unix(stamp)) - stamp) % 2**64
        assert min(away, 2**64 - away) < 2**32 / 1e6, "more than a microsecond off"
    try:
        answer = sntp.parse_response(data, packet.originate)
    except sntp.SntpError as error:
        check_reason(error)
    else:
        assert 1 <= answer.stratum <= 15
        assert answer.offset(NOW, NOW) == answer.offset(NOW, NOW)
    try:
        question = sntp.parse_request(data)
    except sntp.SntpError as error:
        check_reason(error)
        return
    reply = sntp.parse_response(sntp.response(question, received=NOW, transmitted=NOW), question.transmit)
    assert abs(reply.transmit - NOW) < 1e-6
    try:
        sntp.parse_response(sntp.kiss(question, "RATE"), question.transmit)
    except sntp.KissOfDeath as kiss:
        if kiss.code != "RATE":
            raise


def seeds() -> list[bytes]:
    """A request, and an answer of each kind."""
    _, asked = sntp.request(1)
    question = sntp.parse_request(asked)
    return [
        b"",
        asked,
        asked + bytes(20),
        sntp.response(question, received=NOW, transmitted=NOW),
        sntp.response(question, received=NOW, transmitted=NOW, stratum=16, leap=3),
        sntp.kiss(question, "DENY"),
    ]


WORDS: Final = (b"RATE", b"DENY", b"\x23", b"\x24", b"\xe4")
