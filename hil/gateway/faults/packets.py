"""The names of packets in faults' fields: which packet from the broker is meant."""

from __future__ import annotations

from typing import Final, Literal

from hil.gateway.faults.player import Frame
from hil.wire.mqtt import (
    Connack,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Unsuback,
)

Down = Literal[
    "connack", "publish", "puback", "pubrec", "pubrel", "pubcomp", "suback", "unsuback", "pingresp", "all"
]  # fmt: skip
"""A packet that a broker sends, or 'all' of them."""

TYPES: Final = {
    "connack": Connack,
    "publish": Publish,
    "puback": Puback,
    "pubrec": Pubrec,
    "pubrel": Pubrel,
    "pubcomp": Pubcomp,
    "suback": Suback,
    "unsuback": Unsuback,
    "pingresp": Pingresp,
}


def is_meant(frame: Frame, name: Down) -> bool:
    """Whether a frame for the device is of the kind that a fault means."""
    return name == "all" or isinstance(frame.packet, TYPES[name])


def facts(frame: Frame) -> dict[str, object]:
    """What tells one packet from another, for a fault's `applied` event."""
    packet = frame.packet
    told: dict[str, object] = {"what": type(packet).__name__.lower() if packet is not None else "bytes"}
    packet_id = getattr(packet, "packet_id", None)
    if packet_id is not None:
        told["packet_id"] = packet_id
    if isinstance(packet, Publish):
        told["topic"] = packet.topic
    return told
