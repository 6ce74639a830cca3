"""Bytes to packets: one whole packet (`decode`).

The rules:

- The first four bits say the type; 0 is no packet, 15 (AUTH) is none in 3.1.1. The next four are flags, fixed but for
  PUBLISH; a fixed flag that is wrong makes the packet malformed.
- A packet's content ends where its Remaining Length says, no sooner and no later.
- Whatever bytes come in, a packet comes out or ProtocolError is raised.
- Tolerant decoding (strict=False) overlooks whatever leaves a packet readable: fixed flags, bytes after the end, text
  that is no UTF-8 (shown with backslash escapes), values, codes and topics that the standard does not allow. Bytes
  that end too early, unknown types, unknown properties and unknown protocol levels are errors in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hil.wire.mqtt.checks import check, check_publish
from hil.wire.mqtt.errors import ProtocolError
from hil.wire.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
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
)
from hil.wire.mqtt.primitives import Reader, decode_text
from hil.wire.mqtt.properties import read_properties
from hil.wire.mqtt.rules import violation

CONNECT: Final = 1
PUBLISH: Final = 3
_V5: Final = Version.V5


def decode(frame: bytes, version: Version | None = None, *, strict: bool = True) -> Packet:
    """The packet that `frame` is, all of it and nothing more.

    `version` is what the connection speaks. A CONNECT says its own version, so it needs none and goes by no other.
    Raises ProtocolError with the frame as its `raw`.
    """
    try:
        size = len(frame)
        start = 2
        if size < 2 or frame[1] > 127 or frame[1] + 2 != size:
            start = _header(frame)
        if frame[0] >> 4 == PUBLISH and version is not None:
            return _publish(frame, start, size, version, strict)
        return _other(frame, start, version, strict)
    except ProtocolError as error:
        error.raw = frame
        raise


def check_first_byte(first: int, version: Version | None, strict: bool) -> None:
    """What the type and flags of a packet's first byte must be, before the rest is looked at."""
    if version is None and first >> 4 != CONNECT:
        raise violation("first", Version.V311, f"a packet of type {first >> 4} before the version is known")
    version = version or Version.V311
    row = _READERS.get(first >> 4)
    if row is None or (first >> 4 == 15 and version is Version.V311):
        raise ProtocolError(f"packet type {first >> 4}: MQTT {version} has none of that number")
    name, flags, _ = row
    if strict and flags is not None and first & 15 != flags:
        special = name in ("PUBREL", "SUBSCRIBE", "UNSUBSCRIBE", "DISCONNECT", "AUTH")
        rule = f"flags {name}" if special else "flags"
        raise violation(rule, version, f"{name} with flag bits {first & 15:04b}")
    if strict and first >> 4 == PUBLISH and first & 6 == 6:
        raise violation("QoS", version, "PUBLISH with QoS 3")


def _header(frame: bytes) -> int:
    """Where the content begins, behind a Remaining Length of any size. Raises unless it says what there is."""
    size = len(frame)
    length = 0
    for at in range(1, min(size, 5)):
        byte = frame[at]
        length |= (byte & 0x7F) << 7 * (at - 1)
        if byte < 128:
            if length != size - at - 1:
                raise ProtocolError(f"a packet of remaining length {length} with {size - at - 1} bytes behind it")
            return at + 1
    raise ProtocolError(f"a packet whose remaining length does not end (bytes {frame[:5].hex(' ') or 'none'})")


def _check_shortest(frame: bytes, start: int, version: Version) -> None:
    """That the Remaining Length takes as few bytes as it can: its last byte, if not its only one, is not 0."""
    if start > 2 and not frame[start - 1] and version is _V5:
        raise violation("shortest integer", version, f"a packet with remaining length in {start - 1} bytes")


def _publish(frame: bytes, start: int, size: int, version: Version, strict: bool) -> Publish:
    """PUBLISH makes up nearly all traffic, hence this one without Reader, whose calls would double its time."""
    flags = frame[0]
    qos = flags >> 1 & 3
    if strict:
        if qos == 3:
            raise violation("QoS", version, "PUBLISH with QoS 3")
        if start > 2:
            _check_shortest(frame, start, version)
    topic_start = start + 2
    if topic_start > size:
        raise ProtocolError(f"PUBLISH ends within its topic: 2 bytes needed, {size - start} left")
    at = topic_start + (frame[start] << 8 | frame[start + 1])
    if at > size:
        raise ProtocolError(
            f"PUBLISH ends within its topic: {at - topic_start} bytes needed, {size - topic_start} left"
        )
    try:
        topic = frame[topic_start:at].decode()
        if strict and "\0" in topic:
            raise violation("no U+0000", version, f"PUBLISH with topic {topic!r}")
    except UnicodeDecodeError:
        topic = decode_text(frame[topic_start:at], "PUBLISH with topic", version, strict)
    packet_id = None
    if qos:
        if at + 2 > size:
            raise ProtocolError(f"PUBLISH ends within its packet id: 2 bytes needed, {size - at} left")
        packet_id = frame[at] << 8 | frame[at + 1]
        at += 2
    properties: dict[str, Any] = {}
    if version is _V5:
        if at < size and not frame[at]:
            at += 1
        else:
            reader = Reader(frame, at, size, "PUBLISH", version, strict)
            properties = read_properties(reader, "PUBLISH")
            at = reader.position
    packet = Publish(topic, frame[at:], qos, flags & 1 == 1, flags & 8 == 8, packet_id, properties)
    if strict:
        check_publish(packet, version)
    return packet


def _other(frame: bytes, start: int, version: Version | None, strict: bool) -> Packet:
    first = frame[0]
    check_first_byte(first, version, strict)
    reader = Reader(frame, start, len(frame), "", version or Version.V311, strict)
    name, _, read = _READERS[first >> 4]
    reader.packet = name
    if first >> 4 == CONNECT:
        _begin_connect(reader)
    if strict:
        _check_shortest(frame, start, reader.version)
    packet = read(reader)
    reader.finish()
    if strict:
        check(packet, reader.version)
    return packet


def _begin_connect(reader: Reader) -> None:
    """Protocol name and level, the one thing that is the same in all versions; sets the reader's version."""
    name = reader.binary("protocol name")
    if name != b"MQTT" and reader.strict:
        cure = "; MQTT 3.1 is too old" if name == b"MQIsdp" else ""
        raise violation("protocol name", reader.version, f"CONNECT with protocol name {name!r}{cure}")
    level = reader.byte("protocol level")
    if level not in (4, 5):
        raise violation("level", reader.version, f"CONNECT with protocol level {level}")
    reader.version = Version(level)


def _connect(reader: Reader) -> Connect:
    version, strict = reader.version, reader.strict
    flags = reader.byte("connect flags")
    if strict:
        _check_connect_flags(flags, version)
    keep_alive = reader.two("keep alive")
    properties = _properties(reader)
    client_id = reader.text("client id")
    will = None
    if flags & 0x04:
        will_properties = read_properties(reader, "will") if version is _V5 else {}
        topic, payload = reader.text("will topic"), reader.binary("will payload")
        will = Will(topic, payload, flags >> 3 & 3, bool(flags & 0x20), will_properties)
    username = reader.text("user name") if flags & 0x80 else None
    password = reader.binary("password") if flags & 0x40 else None
    return Connect(client_id, version, bool(flags & 0x02), keep_alive, username, password, will, properties)


def _check_connect_flags(flags: int, version: Version) -> None:
    found = f"CONNECT with flags {flags:08b}"
    if flags & 0x01:
        raise violation("connect flag 0", version, found)
    if flags & 0x04:
        if flags & 0x18 == 0x18:
            raise violation("will QoS", version, found)
    elif flags & 0x18:
        raise violation("no will, QoS", version, found)
    elif flags & 0x20:
        raise violation("no will, retain", version, found)


def _connack(reader: Reader) -> Connack:
    flags = reader.byte("flags")
    if flags > 1 and reader.strict:
        raise violation("connack flags", reader.version, f"CONNACK with flags {flags:08b}")
    return Connack(bool(flags & 1), reader.byte("code"), _properties(reader))


def _answer(kind: Callable[[int, int, dict[str, Any]], Packet]) -> Callable[[Reader], Packet]:
    def read(reader: Reader) -> Packet:
        return kind(reader.two("packet id"), *_ending(reader))

    return read


def _ending(reader: Reader) -> tuple[int, dict[str, Any]]:
    """A reason code and properties at the end of an MQTT 5 packet, either of which may have been left out."""
    if reader.version is not _V5 or reader.position == reader.end:
        return 0, {}
    code = reader.byte("reason code")
    # AUTH alone must not leave out the property length (MQTT 5 section 3.15.2.1).
    if reader.position == reader.end and not (reader.strict and reader.packet == "AUTH"):
        return code, {}
    return code, read_properties(reader, reader.packet)


def _subscribe(reader: Reader) -> Subscribe:
    packet_id = reader.two("packet id")
    properties = _properties(reader)
    filters = []
    while reader.position < reader.end:
        name, options = reader.text("topic filter"), reader.byte("subscription options")
        if reader.version is _V5:
            reserved = options & 0xC0
            one = Subscription(name, options & 3, bool(options & 4), bool(options & 8), options >> 4 & 3)
        else:
            reserved = options & 0xFC
            one = Subscription(name, options & 3)
        if reserved and reader.strict:
            raise violation("option bits", reader.version, f"SUBSCRIBE to {name!r} with option bits {options:08b}")
        filters.append(one)
    return Subscribe(packet_id, tuple(filters), properties)


def _suback(reader: Reader) -> Suback:
    packet_id = reader.two("packet id")
    properties = _properties(reader)
    return Suback(packet_id, tuple(reader.take(reader.end - reader.position, "codes")), properties)


def _unsubscribe(reader: Reader) -> Unsubscribe:
    packet_id = reader.two("packet id")
    properties = _properties(reader)
    filters = []
    while reader.position < reader.end:
        filters.append(reader.text("topic filter"))
    return Unsubscribe(packet_id, tuple(filters), properties)


def _unsuback(reader: Reader) -> Unsuback:
    packet_id = reader.two("packet id")
    if reader.version is not _V5:
        return Unsuback(packet_id, (), {})
    properties = read_properties(reader, "UNSUBACK")
    return Unsuback(packet_id, tuple(reader.take(reader.end - reader.position, "codes")), properties)


def _properties(reader: Reader) -> dict[str, Any]:
    return read_properties(reader, reader.packet) if reader.version is _V5 else {}


# Type number -> name, the flag bits that the standard fixes (None: they mean something), and who reads the content.
_READERS: Final[Mapping[int, tuple[str, int | None, Callable[[Reader], Packet]]]] = {
    1: ("CONNECT", 0, _connect),
    2: ("CONNACK", 0, _connack),
    3: ("PUBLISH", None, lambda r: _publish(r.data, r.position, r.end, r.version, r.strict)),
    4: ("PUBACK", 0, _answer(Puback)),
    5: ("PUBREC", 0, _answer(Pubrec)),
    6: ("PUBREL", 2, _answer(Pubrel)),
    7: ("PUBCOMP", 0, _answer(Pubcomp)),
    8: ("SUBSCRIBE", 2, _subscribe),
    9: ("SUBACK", 0, _suback),
    10: ("UNSUBSCRIBE", 2, _unsubscribe),
    11: ("UNSUBACK", 0, _unsuback),
    12: ("PINGREQ", 0, lambda reader: Pingreq()),
    13: ("PINGRESP", 0, lambda reader: Pingresp()),
    14: ("DISCONNECT", 0, lambda reader: Disconnect(*_ending(reader))),
    15: ("AUTH", 0, lambda reader: Auth(*_ending(reader))),
}
