"""SNTP packets, both sides: what a board asks, what a time server answers. Bytes in, values out; no sockets here.

    nonce, packet = request()
    ...
    question = parse_request(packet)                      # on the server
    answer = response(question, received=now, transmitted=now)
    ...
    reply = parse_response(answer, nonce)                 # back on the board
    clock += reply.offset(sent, arrived)

The rules (RFC 4330 and RFC 5905; section numbers below are those of RFC 4330 unless said):

- A packet is 48 bytes; more (extension fields, a MAC) may follow and is ignored here.        section 4
- A client asks with mode 3 and its transmit timestamp; the server copies that, bit for bit,
  into `originate`. An answer that holds another one is not an answer to this request.        section 5
- An answer of stratum 0 is a kiss-o'-death: its reference id holds four letters, and its
  timestamps mean nothing.                                                                    section 8
- Leap indicator 3 or a transmit timestamp of zero: the server does not know the time.        section 5
- Timestamps count from 1900 in 32.32 fixed point and wrap on 2036-02-07. Bit 0 set means
  1968 to 2036, clear means 2036 to 2104.                                                     section 3

A timestamp stays the 64-bit number it is on the wire (`Timestamp`), because an echo must be exact; `to_unix` and
`from_unix` convert. A client need not reveal its clock: `request` sends a random number in place of a time
(draft-ietf-ntp-data-minimization; RFC 4330 demands only that the answer echoes it).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

PORT = 123
"""UDP port of NTP (IANA)."""

PACKET_SIZE = 48
"""Bytes of a packet without extension fields and MAC (RFC 5905, section 7.3)."""

UNIX_EPOCH = 2_208_988_800
"""Seconds from 1900-01-01 to 1970-01-01 (RFC 5905, figure 4)."""

ERA_SECONDS = 1 << 32
"""Seconds of one NTP era; era 1 starts at 2036-02-07 06:28:16 UTC."""

KISS_CODES = {
    "DENY": "access denied: do not ask this server again",
    "RSTR": "access restricted: do not ask this server again",
    "RATE": "asked too often: ask less often",
}
"""The codes a client must act on (RFC 5905, section 7.4); other codes are for people."""

_FORMAT = struct.Struct("!BBbbII4sQQQQ")
_MODE_CLIENT = 3
_MODE_SERVER = 4
_LEAP_UNKNOWN = 3

Timestamp = int
"""An NTP timestamp as on the wire: 64 bits, 32.32 fixed point, seconds since the start of its era. 0 is 'none'."""


class SntpError(ValueError):
    """A packet that is no valid request or answer; the text says what was found and what was expected."""


class NotSynchronised(SntpError):
    """An answer to this very request, by a server that does not know the time itself."""


class KissOfDeath(SntpError):
    """The server answered, and refused. `code` is its four letters, e.g. 'RATE'."""

    def __init__(self, code: str) -> None:
        super().__init__(f"kiss-o'-death {code}: {KISS_CODES.get(code, 'the server refuses')}")
        self.code = code


def from_unix(seconds: float) -> Timestamp:
    """The timestamp of a time in seconds since 1970, in whatever era that lies."""
    whole = int(seconds // 1)
    fraction = min(int((seconds - whole) * ERA_SECONDS), ERA_SECONDS - 1)
    return ((whole + UNIX_EPOCH) % ERA_SECONDS) << 32 | fraction


def to_unix(timestamp: Timestamp) -> float:
    """Seconds since 1970 of a timestamp: bit 0 set is 1968 to 2036, clear is 2036 to 2104 (RFC 4330, section 3)."""
    whole, fraction = timestamp >> 32, timestamp & 0xFFFFFFFF
    if not whole & 0x80000000:
        whole += ERA_SECONDS
    return whole - UNIX_EPOCH + fraction / ERA_SECONDS


@dataclass(frozen=True, slots=True)
class Packet:
    """The 48 bytes, field by field (RFC 5905, figure 8).

    `root_delay` and `root_dispersion` are seconds; `poll` and `precision` are powers of two, in seconds.
    """

    leap: int = 0
    version: int = 4
    mode: int = _MODE_CLIENT
    stratum: int = 0
    poll: int = 0
    precision: int = 0
    root_delay: float = 0.0
    root_dispersion: float = 0.0
    reference_id: bytes = b"\0\0\0\0"
    reference: Timestamp = 0
    originate: Timestamp = 0
    receive: Timestamp = 0
    transmit: Timestamp = 0

    def encode(self) -> bytes:
        """The packet as it goes into a datagram."""
        return _FORMAT.pack(
            self.leap << 6 | self.version << 3 | self.mode,
            self.stratum,
            self.poll,
            self.precision,
            round(self.root_delay * 65536),
            round(self.root_dispersion * 65536),
            self.reference_id,
            self.reference,
            self.originate,
            self.receive,
            self.transmit,
        )


def decode(data: bytes) -> Packet:
    """The fields of a datagram, without judging them; raises SntpError for one that is too short."""
    if len(data) < PACKET_SIZE:
        raise SntpError(f"SNTP packet of {len(data)} bytes, expected at least {PACKET_SIZE}")
    first, stratum, poll, precision, delay, dispersion, ident, ref, org, rec, xmt = _FORMAT.unpack_from(data)
    return Packet(
        leap=first >> 6,
        version=first >> 3 & 7,
        mode=first & 7,
        stratum=stratum,
        poll=poll,
        precision=precision,
        root_delay=delay / 65536,
        root_dispersion=dispersion / 65536,
        reference_id=ident,
        reference=ref,
        originate=org,
        receive=rec,
        transmit=xmt,
    )


def looks_like(data: bytes) -> bool:
    """Whether a datagram on any port is a request or an answer: its length, version, mode and stratum say so."""
    if len(data) != PACKET_SIZE:
        return False
    packet = decode(data)
    most = {_MODE_CLIENT: 0, _MODE_SERVER: 15}.get(packet.mode, -1)
    return 1 <= packet.version <= 4 and packet.stratum <= most


# -- the client's side --------------------------------------------------------------------------------------------


def request(transmit: Timestamp | None = None, version: int = 4) -> tuple[Timestamp, bytes]:
    """A request, and the timestamp that its answer must echo (a random one unless the caller gives his time)."""
    nonce = int.from_bytes(os.urandom(8), "big") | 1 if transmit is None else transmit
    return nonce, Packet(version=version, mode=_MODE_CLIENT, transmit=nonce).encode()


@dataclass(frozen=True, slots=True)
class Response:
    """A server's valid answer. `receive` and `transmit` are the server's times in seconds since 1970."""

    receive: float
    transmit: float
    stratum: int
    leap: int
    reference_id: bytes

    def offset(self, sent: float, arrived: float) -> float:
        """Seconds to add to the client's clock, given its own times of sending and arrival (RFC 4330, section 5)."""
        return ((self.receive - sent) + (self.transmit - arrived)) / 2

    def delay(self, sent: float, arrived: float) -> float:
        """Seconds the packets spent on the way, there and back (RFC 4330, section 5)."""
        return (arrived - sent) - (self.transmit - self.receive)


def parse_response(data: bytes, nonce: Timestamp) -> Response:
    """Judge an answer to the request that carried `nonce`.

    Raises KissOfDeath when the server refuses, NotSynchronised when it does not know the time, and a plain SntpError
    when this is no answer to that request (a client then goes on waiting for one).
    A kiss-o'-death must echo the request as well, or anybody could silence a client (RFC 5905, section 7.4).
    """
    packet = decode(data)
    if packet.mode != _MODE_SERVER:
        raise SntpError(f"SNTP answer of mode {packet.mode}, expected {_MODE_SERVER} (server)")
    if not 1 <= packet.version <= 4:
        raise SntpError(f"SNTP answer of version {packet.version}, expected 1 to 4")
    if packet.originate != nonce:
        raise SntpError(f"SNTP answer to {packet.originate:016x}, expected {nonce:016x}: not an answer to this request")
    if packet.stratum == 0:
        code = packet.reference_id.rstrip(b"\0 ")
        # Other bytes than letters would end up in a line for people.
        raise KissOfDeath(code.decode() if code.isascii() and code.isalnum() else code.hex())
    if packet.stratum > 15 or packet.leap == _LEAP_UNKNOWN or packet.transmit == 0:
        raise NotSynchronised(
            f"SNTP answer without a time: stratum {packet.stratum}, leap indicator {packet.leap}, "
            f"transmit {packet.transmit:016x}; the server is not synchronised"
        )
    return Response(
        receive=to_unix(packet.receive),
        transmit=to_unix(packet.transmit),
        stratum=packet.stratum,
        leap=packet.leap,
        reference_id=packet.reference_id,
    )


# -- the server's side --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """A client's valid request: what the answer must repeat."""

    version: int
    poll: int
    transmit: Timestamp


def parse_request(data: bytes) -> Request:
    """Judge a datagram that came to a server; raises SntpError for what is no request of a client."""
    packet = decode(data)
    if packet.mode != _MODE_CLIENT:
        raise SntpError(f"SNTP request of mode {packet.mode}, expected {_MODE_CLIENT} (client)")
    if not 1 <= packet.version <= 4:
        raise SntpError(f"SNTP request of version {packet.version}, expected 1 to 4")
    return Request(version=packet.version, poll=packet.poll, transmit=packet.transmit)


def response(
    question: Request,
    *,
    received: float,
    transmitted: float,
    stratum: int = 1,
    leap: int = 0,
    reference_id: bytes = b"LOCL",
    precision: int = -20,
) -> bytes:
    """A server's answer; `received` and `transmitted` are seconds since 1970 by the clock that the server claims.

    Stratum 1 with the id 'LOCL' is an uncalibrated local clock used as a primary reference (RFC 4330, figure 2).
    """
    return Packet(
        leap=leap,
        version=question.version,
        mode=_MODE_SERVER,
        stratum=stratum,
        poll=question.poll,
        precision=precision,
        reference_id=reference_id,
        reference=from_unix(received),
        originate=question.transmit,
        receive=from_unix(received),
        transmit=from_unix(transmitted),
    ).encode()


def kiss(question: Request, code: str) -> bytes:
    """A kiss-o'-death: stratum 0, leap indicator 3, four letters (see KISS_CODES; any ASCII letters are legal).

    Raises ValueError for a code that is not one to four ASCII letters.
    """
    if not (1 <= len(code) <= 4 and code.isascii() and code.isalpha()):
        raise ValueError(f"kiss code {code!r}, expected one to four ASCII letters such as {', '.join(KISS_CODES)}")
    return Packet(
        leap=_LEAP_UNKNOWN,
        version=question.version,
        mode=_MODE_SERVER,
        stratum=0,
        poll=question.poll,
        reference_id=code.encode("ascii").ljust(4, b"\0"),
        originate=question.transmit,
        transmit=question.transmit,
    ).encode()
