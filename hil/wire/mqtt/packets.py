"""The packets of MQTT 3.1.1 and MQTT 5, as plain values.

One class serves both versions. What only MQTT 5 has (properties, reason codes, the extra subscription options) keeps
its default in a 3.1.1 packet; `encode` refuses a 3.1.1 packet in which it does not.

Properties are a mapping from the names in properties.py ('message_expiry_interval') to int, str or bytes. The two that
the standard lets repeat are tuples: 'user_property' of (name, value) pairs, 'subscription_identifier' of int.

Packets never change once made: they are handed from the network's thread to the tests' thread as they are. Being frozen
costs 0.6 us a packet, a quarter of what it takes to decode a PUBLISH; benchmarks/mqtt_codec.py has the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

Properties = Mapping[str, Any]


class Version(IntEnum):
    """Protocol version, by the level byte that CONNECT carries."""

    V311 = 4
    V5 = 5

    def __str__(self) -> str:
        return "3.1.1" if self is Version.V311 else "5"


@dataclass(frozen=True, slots=True)
class Will:
    """The message that the broker publishes when the connection ends without DISCONNECT."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connect:
    """Client to server, the first packet. `clean` is Clean Session (3.1.1) or Clean Start (5); `keep_alive` is in
    seconds, 0 turns it off."""

    client_id: str
    version: Version = Version.V311
    clean: bool = True
    keep_alive: int = 60
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connack:
    """Server to client, the answer to CONNECT. `code`: a return code (3.1.1) or a reason code (5)."""

    session_present: bool = False
    code: int = 0
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publish:
    """A message, either way. `packet_id` is None exactly when `qos` is 0."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int | None = None
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Puback:
    """The answer to PUBLISH of QoS 1."""

    packet_id: int
    code: int = 0
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pubrec:
    """The first answer to PUBLISH of QoS 2: received."""

    packet_id: int
    code: int = 0
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pubrel:
    """The publisher's answer to PUBREC: released."""

    packet_id: int
    code: int = 0
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pubcomp:
    """The answer to PUBREL, the end of a QoS 2 delivery."""

    packet_id: int
    code: int = 0
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One entry of SUBSCRIBE. All but `filter` and `qos` are of MQTT 5; `retain_handling` 0: send retained messages at
    subscribe, 1: only if the subscription is new, 2: do not."""

    filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Client to server."""

    packet_id: int
    filters: tuple[Subscription, ...]
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suback:
    """Server to client: one code for each subscription, the granted QoS or a failure (128 and up)."""

    packet_id: int
    codes: tuple[int, ...]
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Client to server."""

    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsuback:
    """Server to client. `codes`: one for each filter in MQTT 5, none in 3.1.1."""

    packet_id: int
    codes: tuple[int, ...] = ()
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pingreq:
    """Client to server: I am still here."""


@dataclass(frozen=True, slots=True)
class Pingresp:
    """Server to client: so am I."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The orderly end. In 3.1.1 only a client sends it, and `code` is 0."""

    code: int = 0
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Auth:
    """MQTT 5 alone: a step of an extended authentication, either way."""

    code: int = 0
    properties: Properties = field(default_factory=dict)


Packet = (
    Connect | Connack | Publish | Puback | Pubrec | Pubrel | Pubcomp | Subscribe | Suback | Unsubscribe | Unsuback
    | Pingreq | Pingresp | Disconnect | Auth
)  # fmt: skip
