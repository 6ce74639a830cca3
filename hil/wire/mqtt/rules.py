"""What the standards say must hold, one line a rule, with the id of the statement that says so in each version.

A statement that a standard makes without a number is named by its section ('s. 2.2.2.2'). An empty id: that version
has no such rule. Only strict coding applies these; what makes bytes unreadable (an end too early, an unknown type) is
an error in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from hil.wire.mqtt.errors import (
    CLIENT_ID_NOT_VALID,
    MALFORMED_PACKET,
    PROTOCOL_ERROR,
    TOPIC_ALIAS_INVALID,
    TOPIC_FILTER_INVALID,
    TOPIC_NAME_INVALID,
    UNSUPPORTED_VERSION,
    ProtocolError,
)
from hil.wire.mqtt.packets import Version


class Rule(NamedTuple):
    """`code`: the MQTT 5 reason code for breaking it; `v311`, `v5`: where each standard states it."""

    code: int
    says: str
    v311: str
    v5: str


_M, _P = MALFORMED_PACKET, PROTOCOL_ERROR

# fmt: off
RULES: Final[Mapping[str, Rule]] = {
    # the bytes of any packet
    "flags":             Rule(_M, "the flag bits of this packet type are fixed", "MQTT-2.2.2-2", "MQTT-2.1.3-1"),
    "flags PUBREL":      Rule(_M, "the flag bits must be 0010", "MQTT-3.6.1-1", "MQTT-3.6.1-1"),
    "flags SUBSCRIBE":   Rule(_M, "the flag bits must be 0010", "MQTT-3.8.1-1", "MQTT-3.8.1-1"),
    "flags UNSUBSCRIBE": Rule(_M, "the flag bits must be 0010", "MQTT-3.10.1-1", "MQTT-3.10.1-1"),
    "flags DISCONNECT":  Rule(_M, "the flag bits must be 0000", "MQTT-3.14.1-1", "MQTT-3.14.1-1"),
    "flags AUTH":        Rule(_M, "the flag bits must be 0000", "", "MQTT-3.15.1-1"),
    "shortest integer":  Rule(_M, "a variable byte integer must take as few bytes as it can", "", "MQTT-1.5.5-1"),
    "UTF-8":             Rule(_M, "text must be well-formed UTF-8", "MQTT-1.5.3-1", "MQTT-1.5.4-1"),
    "no U+0000":         Rule(_M, "text must not hold the character U+0000", "MQTT-1.5.3-2", "MQTT-1.5.4-2"),
    "exact length":      Rule(_M, "the packet must end where its content does", "s. 2.2.3", "s. 2.1.4"),
    "packet id":         Rule(_P, "it must be 1 to 65535", "MQTT-2.3.1-1", "MQTT-2.2.1-3"),
    # who sends what, and when
    "first":             Rule(_P, "the first packet from a client must be CONNECT", "MQTT-3.1.0-1", "MQTT-3.1.0-1"),
    "once":              Rule(_P, "a client must send CONNECT only once", "MQTT-3.1.0-2", "MQTT-3.1.0-2"),
    "last":              Rule(_P, "nothing may follow DISCONNECT", "MQTT-3.14.4-2", "MQTT-3.14.4-1"),
    "sender":            Rule(_P, "only the other side may send it", "s. 2.2.1", "s. 2.1.2"),
    "first from server": Rule(_P, "the first packet from a server must be CONNACK", "MQTT-3.2.0-1", "MQTT-3.2.0-1"),
    "one connack":       Rule(_P, "a server must send CONNACK only once", "s. 3.2", "MQTT-3.2.0-2"),
    "refused":           Rule(_P, "a server must close after it has refused", "MQTT-3.2.2-5", "MQTT-3.2.2-7"),
    "client sends id":   Rule(_P, "a client must not send a subscription identifier", "", "MQTT-3.3.4-6"),
    "server sends expiry": Rule(_P, "a server must not send a session expiry interval here", "", "MQTT-3.14.2-2"),
    "DISCONNECT sender": Rule(_P, "only the other side may send this code", "", "s. 3.14.2.1"),
    "AUTH sender":       Rule(_P, "only the other side may send this code", "", "s. 3.15.2.1"),
    "PUBACK sender":     Rule(_P, "only a server may send this code", "", "s. 3.4.2.1"),
    "PUBREC sender":     Rule(_P, "only a server may send this code", "", "s. 3.5.2.1"),
    "auth unasked":      Rule(_P, "CONNECT named no authentication method", "", "MQTT-4.12.0-7"),
    "auth unknown":      Rule(_P, "CONNACK named no authentication method", "", "MQTT-4.12.0-6"),
    "auth continues":    Rule(_P, "before CONNACK a server's code must be 0x18", "", "MQTT-4.12.0-2"),
    "auth other method": Rule(_P, "the authentication method must stay the same", "", "MQTT-4.12.0-5"),
    "alias unknown":     Rule(_P, "it must have stood beside a topic before", "", "s. 3.3.2.3.4"),
    "session revived":   Rule(_P, "CONNECT had a session expiry of 0, so must this", "", "s. 3.14.2.2.2"),
    # CONNECT
    "protocol name":     Rule(UNSUPPORTED_VERSION, "the protocol name must be 'MQTT'", "MQTT-3.1.2-1", "MQTT-3.1.2-1"),
    "level":             Rule(UNSUPPORTED_VERSION, "4 (3.1.1) and 5 are understood", "MQTT-3.1.2-2", "MQTT-3.1.2-2"),
    "connect flag 0":    Rule(_M, "the reserved bit 0 must be 0", "MQTT-3.1.2-3", "MQTT-3.1.2-3"),
    "no will, QoS":      Rule(_M, "without a will its QoS must be 0", "MQTT-3.1.2-13", "MQTT-3.1.2-11"),
    "no will, retain":   Rule(_M, "without a will its retain bit must be 0", "MQTT-3.1.2-15", "MQTT-3.1.2-13"),
    "will QoS":          Rule(_M, "the will's QoS must be 0, 1 or 2", "MQTT-3.1.2-14", "MQTT-3.1.2-12"),
    "password alone":    Rule(_M, "a password needs a user name", "MQTT-3.1.2-22", ""),
    "empty client id":   Rule(CLIENT_ID_NOT_VALID, "an empty client id needs a clean session", "MQTT-3.1.3-8", ""),
    "auth data":         Rule(_P, "authentication data needs an authentication method", "", "s. 3.1.2.11.10"),
    "auth method":       Rule(_P, "there must be an authentication method", "", "s. 3.15.2.2.2"),
    # CONNACK
    "connack flags":     Rule(_M, "bits 7 to 1 of its flags must be 0", "s. 3.2.2.1", "MQTT-3.2.2-1"),
    "refused session":   Rule(_P, "a refusal must have session present 0", "MQTT-3.2.2-4", "MQTT-3.2.2-6"),
    "connack code":      Rule(_P, "the code must be one of CONNACK's", "s. 3.2.2.3", "MQTT-3.2.2-8"),
    # PUBLISH, and its answers
    "QoS":               Rule(_M, "the QoS must be 0, 1 or 2", "MQTT-3.3.1-4", "MQTT-3.3.1-4"),
    "dup":               Rule(_M, "at QoS 0 the DUP flag must be 0", "MQTT-3.3.1-2", "MQTT-3.3.1-2"),
    "no packet id":      Rule(_M, "at QoS 0 there must be no packet id", "MQTT-2.3.1-5", "MQTT-2.2.1-2"),
    "publish wildcard":  Rule(TOPIC_NAME_INVALID, "a topic name must not hold + or #", "MQTT-3.3.2-2", "MQTT-3.3.2-2"),
    "response wildcard": Rule(_P, "a response topic must not hold + or #", "", "MQTT-3.3.2-14"),
    "topic or alias":    Rule(_P, "an empty topic needs a topic alias", "", "s. 3.3.2.1"),
    "topic alias":       Rule(TOPIC_ALIAS_INVALID, "a topic alias must not be 0", "", "MQTT-3.3.2-8"),
    "PUBACK code":       Rule(_P, "the code must be one of PUBACK's", "", "MQTT-3.4.2-1"),
    "PUBREC code":       Rule(_P, "the code must be one of PUBREC's", "", "MQTT-3.5.2-1"),
    "PUBREL code":       Rule(_P, "the code must be one of PUBREL's", "", "MQTT-3.6.2-1"),
    "PUBCOMP code":      Rule(_P, "the code must be one of PUBCOMP's", "", "MQTT-3.7.2-1"),
    # SUBSCRIBE, UNSUBSCRIBE, and their answers
    "no subscription":   Rule(_P, "there must be at least one topic filter", "MQTT-3.8.3-3", "MQTT-3.8.3-2"),
    "option bits":       Rule(_M, "reserved option bits must be 0", "MQTT-3-8.3-4", "MQTT-3.8.3-5"),
    "subscription QoS":  Rule(_P, "the requested QoS must be 0, 1 or 2", "MQTT-3-8.3-4", "s. 3.8.3.1"),
    "retain handling":   Rule(_P, "retain handling must be 0, 1 or 2", "", "s. 3.8.3.1"),
    "no local, shared":  Rule(_P, "a shared subscription must not ask for no local", "", "MQTT-3.8.3-4"),
    "suback code":       Rule(_P, "the code must be one of SUBACK's", "MQTT-3.9.3-2", "MQTT-3.9.3-2"),
    "no suback code":    Rule(_P, "there must be a code for each topic filter", "MQTT-3.8.4-5", "MQTT-3.8.4-6"),
    "no unsubscription": Rule(_P, "there must be at least one topic filter", "MQTT-3.10.3-2", "MQTT-3.10.3-2"),
    "UNSUBACK code":     Rule(_P, "the code must be one of UNSUBACK's", "", "MQTT-3.11.3-2"),
    "no unsuback code":  Rule(_P, "there must be a code for each topic filter", "", "MQTT-3.11.3-1"),
    # DISCONNECT, AUTH
    "DISCONNECT code":   Rule(_P, "the code must be one of DISCONNECT's", "", "MQTT-3.14.2-1"),
    "AUTH code":         Rule(_P, "the code must be one of AUTH's", "", "MQTT-3.15.2-1"),
    # topics
    "name wildcard":     Rule(TOPIC_NAME_INVALID, "a topic name must not hold + or #", "MQTT-4.7.1-1", "MQTT-4.7.0-1"),
    "empty name":        Rule(TOPIC_NAME_INVALID, "a topic name must not be empty", "MQTT-4.7.3-1", "MQTT-4.7.3-1"),
    "empty filter":      Rule(TOPIC_FILTER_INVALID, "a filter must not be empty", "MQTT-4.7.3-1", "MQTT-4.7.3-1"),
    "#":                 Rule(TOPIC_FILTER_INVALID, "# must be the last level, alone", "MQTT-4.7.1-2", "MQTT-4.7.1-1"),
    "+":                 Rule(TOPIC_FILTER_INVALID, "+ must fill its level alone", "MQTT-4.7.1-3", "MQTT-4.7.1-2"),
    "share name":        Rule(TOPIC_FILTER_INVALID, "$share/ needs a name", "", "MQTT-4.8.2-1"),
    "share wildcard":    Rule(TOPIC_FILTER_INVALID, "a share's name must not hold + or #", "", "MQTT-4.8.2-2"),
    "share filter":      Rule(TOPIC_FILTER_INVALID, "$share/name/ needs a topic filter", "", "MQTT-4.8.2-2"),
    # properties
    "property here":     Rule(_M, "this packet must not carry it", "", "s. 2.2.2.2"),
    "property twice":    Rule(_P, "it must not stand twice", "", "s. 2.2.2.2"),
    "property value":    Rule(_P, "the value is out of its range", "", "s. 2.2.2.2"),
}
# fmt: on


_MOST_FOUND: Final = 200
"""Characters of what was found that an error repeats: a topic can have 65,535 bytes, and errors end up in reports."""


def violation(rule: str, version: Version, found: str) -> ProtocolError:
    """The error for a broken rule: what was found (its beginning), what the rule says, and the id of the statement."""
    if len(found) > _MOST_FOUND:
        found = f"{found[:_MOST_FOUND]}..."
    code, says, v311, v5 = RULES[rule]
    where = (v5 if version is Version.V5 else v311) or v5 or v311
    if where.startswith("s."):
        where = f"MQTT {version} section {where[3:]}"
    return ProtocolError(f"{found}: {says} [{where}]", code)
