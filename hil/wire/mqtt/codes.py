"""Return codes of MQTT 3.1.1 and reason codes of MQTT 5: which packet may carry which, and their names for people.

Sources: MQTT 3.1.1 tables 3.1 (CONNACK) and section 3.9.3 (SUBACK); MQTT 5 section 2.4 and the table of each packet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hil.wire.mqtt.packets import (
    Auth,
    Connack,
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Pubrec,
    Pubrel,
    Suback,
    Unsuback,
    Version,
)

CONNACK_311: Final[Mapping[int, str]] = {
    0: "connection accepted",
    1: "unacceptable protocol version",
    2: "client identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}

SUBACK_311: Final[Mapping[int, str]] = {0: "granted QoS 0", 1: "granted QoS 1", 2: "granted QoS 2", 0x80: "failure"}

REASONS: Final[Mapping[int, str]] = {
    0x00: "success",
    0x01: "granted QoS 1",
    0x02: "granted QoS 2",
    0x04: "disconnect with will message",
    0x10: "no matching subscribers",
    0x11: "no subscription existed",
    0x18: "continue authentication",
    0x19: "re-authenticate",
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x92: "packet identifier not found",
    0x93: "receive maximum exceeded",
    0x94: "topic alias invalid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}

_ANSWER: Final = "00 10 80 83 87 90 91 97 99"
_RELEASE: Final = "00 92"

ALLOWED_5: Final[Mapping[type[Packet], frozenset[int]]] = {
    packet: frozenset(bytes.fromhex(codes))
    for packet, codes in (
        (Connack, "00 80 81 82 83 84 85 86 87 88 89 8A 8C 90 95 97 99 9A 9B 9C 9D 9F"),
        (Puback, _ANSWER),
        (Pubrec, _ANSWER),
        (Pubrel, _RELEASE),
        (Pubcomp, _RELEASE),
        (Suback, "00 01 02 80 83 87 8F 91 97 9E A1 A2"),
        (Unsuback, "00 11 80 83 87 8F 91"),
        (
            Disconnect,
            "00 04 80 81 82 83 87 89 8B 8D 8E 8F 90 93 94 95 96 97 98 99 9A 9B 9C 9D 9E 9F A0 A1 A2",
        ),
        (Auth, "00 18 19"),
    )
}
"""The reason codes that each MQTT 5 packet may carry."""

# MQTT 5 reason code -> CONNACK return code of 3.1.1. The rest becomes 3, the server is unavailable.
_AS_CONNACK_311: Final[Mapping[int, int]] = {0x00: 0, 0x84: 1, 0x85: 2, 0x86: 4, 0x8C: 4, 0x87: 5, 0x8A: 5}


def connack_code(reason: int, version: Version) -> int:
    """The CONNACK code with which to refuse a connection for an MQTT 5 reason, such as the code of a ProtocolError.

    MQTT 3.1.1 has a return code for few of them; it says that a server which finds none that fits closes the
    connection without CONNACK [MQTT-3.2.2-6], which a caller may prefer to the 3 (server unavailable) given here.
    """
    if version is Version.V5:
        return reason
    return _AS_CONNACK_311.get(reason, 3)
