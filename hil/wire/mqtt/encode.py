"""Packets to bytes."""

from __future__ import annotations

from hil.wire.mqtt.packets import Packet, Version


def encode(packet: Packet, version: Version, *, strict: bool = True) -> bytes:
    """The packet as it goes on the wire. A CONNECT goes by its own `version`."""
    raise NotImplementedError
