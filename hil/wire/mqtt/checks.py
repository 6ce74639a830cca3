"""What must hold within one packet whatever its bytes: applied by strict decode to what came, by strict encode to what
goes. One function for each packet that has such rules; rules.py has the statements themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hil.wire.mqtt.codes import ALLOWED_5, CONNACK_311, SUBACK_311
from hil.wire.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Version,
)
from hil.wire.mqtt.rules import violation
from hil.wire.mqtt.topics import check_filter, check_name

_ONLY_CLIENT: Final = frozenset(("CONNECT", "SUBSCRIBE", "UNSUBSCRIBE", "PINGREQ"))
_ONLY_SERVER: Final = frozenset(("CONNACK", "SUBACK", "UNSUBACK", "PINGRESP"))

# Reason codes that one side alone sends: the column 'sent by' in the table of each packet. A server's DISCONNECT with
# 0x00 is let through: that table gives it to the client, but it is also what a DISCONNECT without a code means.
_ONLY_BY: Final[Mapping[tuple[type[Packet], str], frozenset[int]]] = {
    (Disconnect, "client"): frozenset((0x04,)),
    (Disconnect, "server"): frozenset(bytes.fromhex("87 89 8B 8D 8E 8F 9A 9B 9C 9D 9E 9F A0 A1 A2")),
    (Auth, "client"): frozenset((0x19,)),
    (Auth, "server"): frozenset((0x00,)),
    (Puback, "server"): frozenset((0x10,)),
    (Pubrec, "server"): frozenset((0x10,)),
}

Answer = Puback | Pubrec | Pubrel | Pubcomp


def check(packet: Packet, version: Version) -> None:
    """Raises ProtocolError with the statement that `packet` breaks in `version`."""
    checker = _CHECKERS.get(type(packet))
    if checker is not None:
        checker(packet, version)


def check_publish(packet: Publish, version: Version) -> None:
    """`check` for PUBLISH, which comes so often that decode goes to it directly."""
    topic = packet.topic
    qos = packet.qos
    if qos:
        if qos > 2:
            raise violation("QoS", version, f"PUBLISH with QoS {qos}")
        _check_id(packet.packet_id, version, "PUBLISH")
    elif packet.dup:
        raise violation("dup", version, "PUBLISH of QoS 0 with DUP set")
    elif packet.packet_id is not None:
        raise violation("no packet id", version, f"PUBLISH of QoS 0 with packet id {packet.packet_id}")
    if "+" in topic or "#" in topic:
        raise violation("publish wildcard", version, f"PUBLISH with topic {topic!r}")
    if not topic:
        if version is Version.V311:
            raise violation("empty name", version, "PUBLISH with an empty topic")
        if "topic_alias" not in packet.properties:
            raise violation("topic or alias", version, "PUBLISH with neither")


def check_sender(packet: Packet, version: Version, sender: str) -> None:
    """What only one side may send. `sender`: 'client' or 'server'."""
    if isinstance(packet, Publish):
        if sender == "client" and "subscription_identifier" in packet.properties:
            raise violation("client sends id", version, "PUBLISH from a client with a subscription identifier")
        return
    name = type(packet).__name__.upper()
    if name in (_ONLY_SERVER if sender == "client" else _ONLY_CLIENT):
        raise violation("sender", version, f"{name} from a {sender}")
    if isinstance(packet, Disconnect) and sender == "server":
        if version is Version.V311:
            raise violation("sender", version, "DISCONNECT from a server")
        if "session_expiry_interval" in packet.properties:
            raise violation("server sends expiry", version, "DISCONNECT from a server with it")
    if isinstance(packet, Disconnect | Auth | Puback | Pubrec):
        other = "server" if sender == "client" else "client"
        if packet.code in _ONLY_BY.get((type(packet), other), ()):
            raise violation(f"{name} sender", version, f"{name} from a {sender} with code 0x{packet.code:02x}")


def _check_id(packet_id: int | None, version: Version, name: str) -> None:
    if not packet_id:
        raise violation("packet id", version, f"{name} with packet id {packet_id}")


def _check_connect(packet: Connect, version: Version) -> None:
    if version is Version.V311:
        if packet.password is not None and packet.username is None:
            raise violation("password alone", version, "CONNECT with a password and no user name")
        if not packet.client_id and not packet.clean:
            raise violation("empty client id", version, "CONNECT with an empty client id and clean session 0")
    if packet.will is not None:
        if not 0 <= packet.will.qos <= 2:
            raise violation("will QoS", version, f"CONNECT with will QoS {packet.will.qos}")
        check_name(packet.will.topic, version, "CONNECT: the will's topic")
    _check_auth_data(packet, version)


def _check_connack(packet: Connack, version: Version) -> None:
    allowed = CONNACK_311 if version is Version.V311 else ALLOWED_5[Connack]
    if packet.code not in allowed:
        raise violation("connack code", version, f"CONNACK with code 0x{packet.code:02x}")
    if packet.code and packet.session_present:
        raise violation("refused session", version, f"CONNACK with code {packet.code} and session present")
    if not packet.code:  # nothing is said of a refusal
        _check_auth_data(packet, version)


def _check_auth_data(packet: Connect | Connack, version: Version) -> None:
    properties = packet.properties
    if properties and "authentication_data" in properties and "authentication_method" not in properties:
        name = type(packet).__name__.upper()
        raise violation("auth data", version, f"{name} with authentication data alone")


def _check_answer(packet: Answer, version: Version) -> None:
    name = type(packet).__name__.upper()
    _check_id(packet.packet_id, version, name)
    if packet.code:
        _check_code(packet, version)


def _check_code(packet: Answer | Disconnect | Auth, version: Version) -> None:
    kind = type(packet)
    if version is Version.V5 and packet.code not in ALLOWED_5[kind]:
        name = kind.__name__.upper()
        raise violation(f"{name} code", version, f"{name} with code 0x{packet.code:02x}")


def _check_auth(packet: Auth, version: Version) -> None:
    _check_code(packet, version)
    # Section 3.15.2.1 lets an AUTH of code 0 without properties be empty, which 3.15.2.2.2 contradicts.
    if (packet.code or packet.properties) and "authentication_method" not in packet.properties:
        raise violation("auth method", version, f"AUTH with code 0x{packet.code:02x} and none")


def _check_subscribe(packet: Subscribe, version: Version) -> None:
    _check_id(packet.packet_id, version, "SUBSCRIBE")
    if not packet.filters:
        raise violation("no subscription", version, "SUBSCRIBE without any")
    for one in packet.filters:
        found = f"SUBSCRIBE to {one.filter!r}"
        if not 0 <= one.qos <= 2:
            raise violation("subscription QoS", version, f"{found} with QoS {one.qos}")
        if not 0 <= one.retain_handling <= 2:
            raise violation("retain handling", version, f"{found} with retain handling {one.retain_handling}")
        if one.no_local and one.filter.startswith("$share/"):
            raise violation("no local, shared", version, found)
        check_filter(one.filter, version, "SUBSCRIBE")


def _check_suback(packet: Suback, version: Version) -> None:
    _check_id(packet.packet_id, version, "SUBACK")
    if not packet.codes:
        raise violation("no suback code", version, "SUBACK without any")
    allowed = SUBACK_311 if version is Version.V311 else ALLOWED_5[Suback]
    for code in packet.codes:
        if code not in allowed:
            raise violation("suback code", version, f"SUBACK with code 0x{code:02x}")


def _check_unsubscribe(packet: Unsubscribe, version: Version) -> None:
    _check_id(packet.packet_id, version, "UNSUBSCRIBE")
    if not packet.filters:
        raise violation("no unsubscription", version, "UNSUBSCRIBE without any")
    for one in packet.filters:
        check_filter(one, version, "UNSUBSCRIBE")


def _check_unsuback(packet: Unsuback, version: Version) -> None:
    _check_id(packet.packet_id, version, "UNSUBACK")
    if version is Version.V311:
        return
    if not packet.codes:
        raise violation("no unsuback code", version, "UNSUBACK without any")
    for code in packet.codes:
        if code not in ALLOWED_5[Unsuback]:
            raise violation("UNSUBACK code", version, f"UNSUBACK with code 0x{code:02x}")


_CHECKERS: Final[Mapping[type[Packet], Callable[[Any, Version], None]]] = {
    Connect: _check_connect,
    Connack: _check_connack,
    Publish: check_publish,
    Puback: _check_answer,
    Pubrec: _check_answer,
    Pubrel: _check_answer,
    Pubcomp: _check_answer,
    Subscribe: _check_subscribe,
    Suback: _check_suback,
    Unsubscribe: _check_unsubscribe,
    Unsuback: _check_unsuback,
    Disconnect: _check_code,
    Auth: _check_auth,
}
