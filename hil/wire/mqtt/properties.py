"""The properties of MQTT 5: their names, types, ranges, and the packets that may carry them (MQTT 5 section 2.2.2.2).

A property's name here is the standard's own in snake case. Its value is an int, str or bytes by its kind; 'pair'
('user_property') may repeat and is a tuple of (name, value) pairs. A subscription identifier may repeat in PUBLISH
alone: it is a tuple of int there, and an int in SUBSCRIBE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from hil.wire.mqtt.errors import ProtocolError
from hil.wire.mqtt.packets import Properties, Version
from hil.wire.mqtt.primitives import Reader, binary, integer, text, variable
from hil.wire.mqtt.rules import violation

_ALL: Final = (
    "CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK DISCONNECT AUTH will"
)
_ANSWERS: Final = "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH"


class Property(NamedTuple):
    """One row of the table; `least` and `most` bound an integer's value."""

    id: int
    name: str
    kind: str
    least: int
    most: int
    packets: frozenset[str]


_U16, _U32, _VAR = 0xFFFF, 0xFFFFFFFF, 268_435_455

# fmt: off
TABLE: Final = tuple(
    Property(number, name, kind, least, most, frozenset(packets.split()))
    for number, name, kind, least, most, packets in (
        (0x01, "payload_format_indicator",          "byte",     0, 1,    "PUBLISH will"),
        (0x02, "message_expiry_interval",           "four",     0, _U32, "PUBLISH will"),             # seconds
        (0x03, "content_type",                      "text",     0, 0,    "PUBLISH will"),
        (0x08, "response_topic",                    "text",     0, 0,    "PUBLISH will"),
        (0x09, "correlation_data",                  "binary",   0, 0,    "PUBLISH will"),
        (0x0B, "subscription_identifier",           "variable", 1, _VAR, "PUBLISH SUBSCRIBE"),
        (0x11, "session_expiry_interval",           "four",     0, _U32, "CONNECT CONNACK DISCONNECT"),  # seconds
        (0x12, "assigned_client_identifier",        "text",     0, 0,    "CONNACK"),
        (0x13, "server_keep_alive",                 "two",      0, _U16, "CONNACK"),                  # seconds
        (0x15, "authentication_method",             "text",     0, 0,    "CONNECT CONNACK AUTH"),
        (0x16, "authentication_data",               "binary",   0, 0,    "CONNECT CONNACK AUTH"),
        (0x17, "request_problem_information",       "byte",     0, 1,    "CONNECT"),
        (0x18, "will_delay_interval",               "four",     0, _U32, "will"),                     # seconds
        (0x19, "request_response_information",      "byte",     0, 1,    "CONNECT"),
        (0x1A, "response_information",              "text",     0, 0,    "CONNACK"),
        (0x1C, "server_reference",                  "text",     0, 0,    "CONNACK DISCONNECT"),
        (0x1F, "reason_string",                     "text",     0, 0,    _ANSWERS),
        (0x21, "receive_maximum",                   "two",      1, _U16, "CONNECT CONNACK"),
        (0x22, "topic_alias_maximum",               "two",      0, _U16, "CONNECT CONNACK"),
        (0x23, "topic_alias",                       "two",      1, _U16, "PUBLISH"),
        (0x24, "maximum_qos",                       "byte",     0, 1,    "CONNACK"),
        (0x25, "retain_available",                  "byte",     0, 1,    "CONNACK"),
        (0x26, "user_property",                     "pair",     0, 0,    _ALL),
        (0x27, "maximum_packet_size",               "four",     1, _U32, "CONNECT CONNACK"),          # bytes
        (0x28, "wildcard_subscription_available",   "byte",     0, 1,    "CONNACK"),
        (0x29, "subscription_identifier_available", "byte",     0, 1,    "CONNACK"),
        (0x2A, "shared_subscription_available",     "byte",     0, 1,    "CONNACK"),
    )
)
# fmt: on
_BY_ID: Final = {p.id: p for p in TABLE}
_BY_NAME: Final = {p.name: p for p in TABLE}

_READ: Final[Mapping[str, Callable[[Reader, str], Any]]] = {
    "byte": Reader.byte,
    "two": Reader.two,
    "four": Reader.four,
    "variable": Reader.variable,
    "text": Reader.text,
    "binary": Reader.binary,
    "pair": lambda reader, what: (reader.text(what), reader.text(what)),
}
_SIZE: Final = {"byte": 1, "two": 2, "four": 4}


def repeats(name: str, packet: str) -> bool:
    """Whether the property may stand more than once in the packet, so that its value is a tuple."""
    return name == "user_property" or (name == "subscription_identifier" and packet == "PUBLISH")


def read_properties(reader: Reader, packet: str) -> dict[str, Any]:
    """The property list that begins where `reader` stands. `packet`: its name in capitals, or 'will'.

    A property that must not be repeated but is: with a tolerant reader the last one counts.
    """
    length = reader.variable("property length")
    if not length:
        return {}
    inner = reader.part(length, "properties")
    found: dict[str, Any] = {}
    several: dict[str, list[Any]] = {}
    while inner.position < inner.end:
        number = inner.variable("property identifier")
        row = _BY_ID.get(number)
        if row is None:
            raise ProtocolError(f"{packet} with property 0x{number:02x}: there is none of that id [MQTT 5 s. 2.2.2.2]")
        name = row.name
        value = _READ[row.kind](inner, name)
        if inner.strict:
            _check(row, value, packet)
        if repeats(name, packet):
            if name not in several:
                found[name] = several[name] = []
            several[name].append(value)
            continue
        if name in found and inner.strict:
            raise violation("property twice", Version.V5, f"{packet} with a second {name}")
        found[name] = value
    for name, values in several.items():
        found[name] = tuple(values)
    return found


def write_properties(properties: Properties, packet: str, strict: bool) -> bytes:
    """The property list with its length. Raises ProtocolError for a name, type or value that cannot be written."""
    if not properties:
        return b"\0"
    out = bytearray()
    for name, value in properties.items():
        row = _BY_NAME.get(name)
        if row is None:
            raise ProtocolError(f"{packet} with property {name!r}: MQTT 5 has none of that name")
        many = repeats(name, packet) and not isinstance(value, int)
        for one in value if many else (value,):
            if strict:
                _check(row, one, packet)
            out += variable(row.id, name)
            out += _write(row, one, strict)
    return variable(len(out), "property length") + bytes(out)


def _check(row: Property, value: Any, packet: str) -> None:
    if packet not in row.packets:
        raise violation("property here", Version.V5, f"{packet} with property {row.name}")
    if row.most and isinstance(value, int) and not row.least <= value <= row.most:
        rule = "topic alias" if row.name == "topic_alias" and value == 0 else "property value"
        raise violation(rule, Version.V5, f"{packet} with {row.name} {value}")
    if row.name == "response_topic" and isinstance(value, str):
        if not value:
            raise violation("empty name", Version.V5, f"{packet} with an empty response topic")
        if "+" in value or "#" in value:
            raise violation("response wildcard", Version.V5, f"{packet} with response topic {value!r}")


def _write(row: Property, value: Any, strict: bool) -> bytes:
    kind, name = row.kind, row.name
    if kind == "text" and isinstance(value, str):
        return text(value, name, Version.V5, strict)
    if kind == "binary" and isinstance(value, bytes):
        return binary(value, name)
    if kind == "variable" and isinstance(value, int):
        return variable(value, name)
    if kind in _SIZE and isinstance(value, int):
        return integer(value, _SIZE[kind], name)
    if kind == "pair":
        match value:
            case (str(key), str(word)):
                return text(key, name, Version.V5, strict) + text(word, name, Version.V5, strict)
    raise ProtocolError(f"property {name} as {value!r}: {_EXPECTED[kind]} is expected")


_EXPECTED: Final = {
    "text": "str",
    "binary": "bytes",
    "pair": "a tuple of (str, str) pairs",
} | dict.fromkeys(("byte", "two", "four", "variable"), "int")
