"""Bytes to packets."""

from __future__ import annotations

from hil.wire.mqtt.packets import Packet, Version
from hil.wire.mqtt.splitter import MAX_PACKET


def decode(frame: bytes, version: Version | None = None, *, strict: bool = True) -> Packet:
    """One whole packet. A CONNECT says its own version."""
    raise NotImplementedError


class Decoder:
    """A stream of packets from one side."""

    def __init__(
        self,
        version: Version | None = None,
        strict: bool = True,
        max_packet: int = MAX_PACKET,
        sender: str | None = None,
    ) -> None:
        self.version = version

    def feed(self, data: bytes) -> list[tuple[Packet, bytes]]:
        raise NotImplementedError
