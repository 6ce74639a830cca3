"""Packets to bytes.

The rules:

- A packet goes out in as few bytes as its version allows: MQTT 5 leaves out a reason code of 0 and the property length
  at the end of a packet where the standard lets it.
- Properties go out in the order of their mapping.
- Strict encoding refuses what strict decoding would refuse. Turned off, it writes whatever the format has room for, so
  that a test can send what it should not; what there is no room for (a packet id of 70000) is refused in any case.
- A 3.1.1 packet that carries something only MQTT 5 can express is refused in any case: it would be lost in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hil.wire.mqtt.checks import Answer, check, check_publish
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
)
from hil.wire.mqtt.primitives import binary, integer, text, variable
from hil.wire.mqtt.properties import write_properties


def encode(packet: Packet, version: Version, *, strict: bool = True) -> bytes:
    """The packet as it goes on the wire in `version`; a CONNECT goes by its own `version`, whatever is given.

    Raises ProtocolError for a packet that the standard forbids (only if `strict`) or that cannot be written.
    """
    if isinstance(packet, Publish):
        return _publish(packet, version, strict)
    if isinstance(packet, Connect):
        version = packet.version
    if strict:
        check(packet, version)
    first, body_of = _WRITERS[type(packet)]
    if version is Version.V311:
        _refuse_version_5(packet)
    body = body_of(packet, version, strict)
    return bytes((first,)) + variable(len(body), "remaining length") + body


def _publish(packet: Publish, version: Version, strict: bool) -> bytes:
    if strict:
        check_publish(packet, version)
    qos = packet.qos
    if not 0 <= qos <= 3:
        raise ProtocolError(f"PUBLISH with QoS {qos}: two bits hold it")
    body = text(packet.topic, "PUBLISH with topic", version, strict)
    if qos:
        body += integer(packet.packet_id or 0, 2, "packet id")
    if version is Version.V5:
        body += write_properties(packet.properties, "PUBLISH", strict)
    elif packet.properties:
        _refuse_version_5(packet)
    body += packet.payload
    first = 0x30 | (0x08 if packet.dup else 0) | qos << 1 | (1 if packet.retain else 0)
    return bytes((first,)) + variable(len(body), "remaining length") + body


def _connect(packet: Connect, version: Version, strict: bool) -> bytes:
    will = packet.will
    flags = 0x02 if packet.clean else 0
    if will is not None:
        if not 0 <= will.qos <= 3:
            raise ProtocolError(f"CONNECT with will QoS {will.qos}: two bits hold it")
        flags |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
    flags |= (0x80 if packet.username is not None else 0) | (0x40 if packet.password is not None else 0)
    out = [b"\0\4MQTT", bytes((version, flags)), integer(packet.keep_alive, 2, "keep alive")]
    if version is Version.V5:
        out.append(write_properties(packet.properties, "CONNECT", strict))
    out.append(text(packet.client_id, "CONNECT with client id", version, strict))
    if will is not None:
        if version is Version.V5:
            out.append(write_properties(will.properties, "will", strict))
        out.append(text(will.topic, "CONNECT with will topic", version, strict))
        out.append(binary(will.payload, "will payload"))
    if packet.username is not None:
        out.append(text(packet.username, "CONNECT with user name", version, strict))
    if packet.password is not None:
        out.append(binary(packet.password, "password"))
    return b"".join(out)


def _connack(packet: Connack, version: Version, strict: bool) -> bytes:
    body = bytes((1 if packet.session_present else 0,)) + integer(packet.code, 1, "code")
    if version is Version.V5:
        body += write_properties(packet.properties, "CONNACK", strict)
    return body


def _answer(packet: Answer, version: Version, strict: bool) -> bytes:
    name = type(packet).__name__.upper()
    return integer(packet.packet_id, 2, "packet id") + _ending(name, packet.code, packet.properties, strict)


def _disconnect(packet: Disconnect | Auth, version: Version, strict: bool) -> bytes:
    return _ending(type(packet).__name__.upper(), packet.code, packet.properties, strict)


def _ending(name: str, code: int, properties: Mapping[str, Any], strict: bool) -> bytes:
    """A reason code and properties at a packet's end, as far as they say anything. (3.1.1 never gets beyond the first.)

    MQTT 5 sections 3.4.2.1 and 3.14.2.1 let a code of 0 without properties be left out, and an empty list behind a
    code; for AUTH (3.15.2.1) only both together may be.
    """
    if properties:
        return integer(code, 1, "code") + write_properties(properties, name, strict)
    if not code:
        return b""
    return integer(code, 1, "code") + (b"\0" if name == "AUTH" else b"")


def _subscribe(packet: Subscribe, version: Version, strict: bool) -> bytes:
    out = [integer(packet.packet_id, 2, "packet id")]
    if version is Version.V5:
        out.append(write_properties(packet.properties, "SUBSCRIBE", strict))
    for one in packet.filters:
        out.append(text(one.filter, "SUBSCRIBE with topic filter", version, strict))
        out.append(bytes((_options(one),)))
    return b"".join(out)


def _options(one: Subscription) -> int:
    if not (0 <= one.qos <= 3 and 0 <= one.retain_handling <= 3):
        raise ProtocolError(f"SUBSCRIBE with QoS {one.qos}, retain handling {one.retain_handling}: two bits hold each")
    return one.qos | one.no_local << 2 | one.retain_as_published << 3 | one.retain_handling << 4


def _unsubscribe(packet: Unsubscribe, version: Version, strict: bool) -> bytes:
    out = [integer(packet.packet_id, 2, "packet id")]
    if version is Version.V5:
        out.append(write_properties(packet.properties, "UNSUBSCRIBE", strict))
    out += [text(one, "UNSUBSCRIBE with topic filter", version, strict) for one in packet.filters]
    return b"".join(out)


def _codes(packet: Suback | Unsuback, version: Version, strict: bool) -> bytes:
    body = integer(packet.packet_id, 2, "packet id")
    if version is Version.V5:
        body += write_properties(packet.properties, type(packet).__name__.upper(), strict)
    return body + b"".join(integer(code, 1, "code") for code in packet.codes)


def _nothing(packet: Pingreq | Pingresp, version: Version, strict: bool) -> bytes:
    return b""


def _refuse_version_5(packet: Packet) -> None:
    """Raises ProtocolError if the packet carries what a 3.1.1 packet has no place for."""
    name = type(packet).__name__.upper()
    found = None
    match packet:
        case Auth():
            found = "as a whole"
        case Connect(will=will) if will is not None and will.properties:
            found = "with properties of the will"
        case Puback(code=code) | Pubrec(code=code) | Pubrel(code=code) | Pubcomp(code=code) | Disconnect(code=code):
            found = f"with reason code 0x{code:02x}" if code else None
        case Unsuback(codes=codes):
            found = "with reason codes" if codes else None
        case Subscribe(filters=filters):
            if any(one.no_local or one.retain_as_published or one.retain_handling for one in filters):
                found = "with options other than QoS"
    if getattr(packet, "properties", None):
        found = "with properties"
    if found:
        raise ProtocolError(f"{name} {found}: only MQTT 5 has that, the connection speaks 3.1.1")


# The first byte of each packet (type, and the flag bits that the standard fixes), and who writes the rest.
_WRITERS: Final[Mapping[type[Packet], tuple[int, Callable[[Any, Version, bool], bytes]]]] = {
    Connect: (0x10, _connect),
    Connack: (0x20, _connack),
    Puback: (0x40, _answer),
    Pubrec: (0x50, _answer),
    Pubrel: (0x62, _answer),
    Pubcomp: (0x70, _answer),
    Subscribe: (0x82, _subscribe),
    Suback: (0x90, _codes),
    Unsubscribe: (0xA2, _unsubscribe),
    Unsuback: (0xB0, _codes),
    Pingreq: (0xC0, _nothing),
    Pingresp: (0xD0, _nothing),
    Disconnect: (0xE0, _disconnect),
    Auth: (0xF0, _disconnect),
}
