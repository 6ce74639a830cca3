"""The MQTT codec on hostile bytes: what `fuzz.py mqtt` runs, and what must hold for every input.

An input is two bytes of plan and a stream. The plan says who sends it, in which version, cut into which pieces, and
whether the stream's lengths are mended first: arbitrary bytes hardly ever have a Remaining Length that fits, and the
content behind it would never be reached.

What must hold:

- Nothing but ProtocolError is raised, and its text is one short line.
- The packets are the same, and so is the error, however the stream is cut.
- What a strict decoder accepts, a tolerant one accepts, and understands it the same way.
- A packet that was accepted can be encoded, and decodes to the same packet again.
"""

from __future__ import annotations

from typing import Final

from fuzz_reason import check_reason

from hil.wire.mqtt import (
    Auth,
    Connack,
    Connect,
    Decoder,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    ProtocolError,
    Puback,
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
from hil.wire.mqtt.decoder import Sender

# The first byte of the plan.
VERSION_5 = 0x01
SERVER = 0x02
EITHER = 0x04
MENDED = 0x08  # the lengths are made to fit
GREETED = 0x10  # CONNECT or CONNACK goes first
SMALL = 0x20  # the longest packet to accept is 40 bytes
TOLERANT_PIECES = 0x40  # the tolerant decoder gets the pieces, else the strict one

Outcome = tuple[list[tuple[Packet, bytes]], str | bytes, int]


def run(data: bytes) -> None:
    """One input. Raises AssertionError, or whatever else the codec let out, where it is wrong."""
    if len(data) < 2:
        return
    plan, step, stream = data[0], data[1], data[2:]
    version = Version.V5 if plan & VERSION_5 else Version.V311
    sender: Sender = "either" if plan & EITHER else "server" if plan & SERVER else "client"
    if plan & MENDED:
        stream = mend(stream)
    if plan & GREETED:
        stream = _GREETINGS[sender == "server", version] + stream
    known = None if sender == "client" else version
    largest = 40 if plan & SMALL else 65536

    def outcome(strict: bool, pieces: list[bytes]) -> Outcome:
        return collect(Decoder(known, strict, largest, sender), pieces)

    strict = outcome(True, [stream])
    tolerant = outcome(False, [stream])
    in_pieces = not plan & TOLERANT_PIECES
    assert outcome(in_pieces, cut(stream, step)) == (strict if in_pieces else tolerant), "it matters where it is cut"
    assert tolerant[0][: len(strict[0])] == strict[0], "strict accepts what tolerant does not, or reads it otherwise"
    check_round_trips(tolerant[0], len(strict[0]), version)


def collect(decoder: Decoder, pieces: list[bytes]) -> Outcome:
    """The packets, and how it ended: the error, or what is still waiting for its end."""
    packets: list[tuple[Packet, bytes]] = []
    for piece in pieces:
        try:
            packets += decoder.feed(piece)
        except ProtocolError as error:
            check_reason(error.reason)
            return packets + error.packets, error.reason, error.code
    return packets, decoder.pending, 0


def check_round_trips(packets: list[tuple[Packet, bytes]], accepted: int, version: Version) -> None:
    """That each packet can be encoded and comes back the same, the first `accepted` of them under strict rules."""
    for position, (packet, raw) in enumerate(packets):
        strict = position < accepted
        if isinstance(packet, Connect):
            version = packet.version
        try:
            frame = encode(packet, version, strict=strict)
        except ProtocolError:
            # Bytes that were no UTF-8 are longer as escapes: there may be no room for them.
            assert not strict, "accepted, and cannot be encoded"
            assert len(raw) > 0xFFFF // 4, "understood, and cannot be encoded"
            continue
        assert decode(frame, version, strict=strict) == packet, "it comes back as another packet"
        assert len(frame) <= len(raw) or not strict, "encoded longer than it came"


def cut(stream: bytes, step: int) -> list[bytes]:
    """Pieces of `step` bytes (1 to 8), or one cut at `step`."""
    if step & 0x80:
        at = step & 0x7F
        return [stream[:at], stream[at:]]
    size = 1 + step % 8
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def mend(stream: bytes) -> bytes:
    """The stream with each second byte of a packet taken for its length as far as there are bytes, and written so."""
    out = bytearray()
    at = 0
    while at + 2 <= len(stream):
        body = stream[at + 2 : at + 2 + stream[at + 1]]
        out.append(stream[at])
        size = len(body)
        if size > 127:
            out.append(size & 0x7F | 0x80)
            size >>= 7
        out.append(size)
        out += body
        at += 2 + len(body)
    return bytes(out) + stream[at:]


def _greeting(server: bool, version: Version) -> bytes:
    properties = {"authentication_method": "x"} if version is Version.V5 else {}
    packet = Connack(properties=properties) if server else Connect("a", version, properties=properties)
    return encode(packet, version)


_GREETINGS: Final = {(server, version): _greeting(server, version) for server in (False, True) for version in Version}


def seeds() -> list[bytes]:
    """A first input for each kind of packet, in both versions and directions."""
    found = []
    for version in Version:
        five = version is Version.V5
        packets = _packets() + (_packets_5() if five else [])
        for packet in packets:
            frame = encode(packet, version, strict=False)
            if len(frame) < 128:
                plan = (VERSION_5 if five else 0) | MENDED
                found += [bytes((plan | who, 0)) + frame for who in (GREETED, SERVER | GREETED, EITHER)]
                found.append(bytes((plan & ~MENDED | EITHER, 0x83)) + frame + frame)
        found.append(bytes((VERSION_5 if five else 0, 3)) + b"".join(encode(p, version) for p in _whole(version)))
    return found


def _whole(version: Version) -> list[Packet]:
    """What a device sends, from beginning to end."""
    return [Connect("a", version), Subscribe(1, (Subscription("c"),)), Publish("t", b"1"), Pingreq(), Disconnect()]


def _packets() -> list[Packet]:
    return [
        Connect("abc", Version.V311, True, 60, "user", b"secret", Will("a/b", b"gone", 1, True)),
        Connect("abc", Version.V5, True, 60, "user", b"secret", Will("a/b", b"gone", 1, True)),
        Connack(),
        Connack(False, 5),
        Publish("a/b", b"text"),
        Publish("a/b", b"text", 2, True, True, 7),
        Puback(1),
        Pubrec(1),
        Pubrel(1),
        Subscribe(1, (Subscription("a/+", 1), Subscription("#"))),
        Suback(1, (0, 0x80)),
        Unsubscribe(1, ("a/+", "$share/g/a/#")),
        Unsuback(1),
        Pingreq(),
        Pingresp(),
        Disconnect(),
    ]


def _packets_5() -> list[Packet]:
    said = {"reason_string": "no", "user_property": (("k", "v"), ("k", "w"))}
    will = Will("a", b"b", 2, False, {"will_delay_interval": 5, "content_type": "t"})
    return [
        Connect("", Version.V5, will=will, properties={"session_expiry_interval": 0, "receive_maximum": 5}),
        Connack(False, 0, {"server_keep_alive": 5, "maximum_qos": 1, "assigned_client_identifier": "x"}),
        Connack(False, 0x9C, {"server_reference": "other", **said}),
        Publish("", b"x", 1, packet_id=2, properties={"topic_alias": 1, "subscription_identifier": (1, 300)}),
        Publish("a", b"x", properties={"response_topic": "r", "correlation_data": b"\0", "message_expiry_interval": 9}),
        Puback(1, 0x87, said),
        Pubrel(1, 0x92),
        Subscribe(1, (Subscription("$share/g/a", 1, False, True, 2),), {"subscription_identifier": 268_435_455}),
        Suback(1, (2, 0x87), said),
        Unsuback(1, (0, 0x11), said),
        Disconnect(0x8E, said),
        Disconnect(4, {"session_expiry_interval": 1}),
        Auth(0x18, {"authentication_method": "x", "authentication_data": b"\1"}),
    ]


WORDS: Final = (b"\0\4MQTT\4", b"\0\4MQTT\5", b"\0\6MQIsdp\3", b"$share/g/", b"/+", b"/#", b"\xff\xff\xff\x7f")
"""What the fuzzer may put in as it is."""
