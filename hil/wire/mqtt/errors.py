"""The one error of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.wire.mqtt.packets import Packet

MALFORMED_PACKET = 0x81
PROTOCOL_ERROR = 0x82
UNSUPPORTED_VERSION = 0x84
CLIENT_ID_NOT_VALID = 0x85
TOPIC_FILTER_INVALID = 0x8F
TOPIC_NAME_INVALID = 0x90
TOPIC_ALIAS_INVALID = 0x94
PACKET_TOO_LARGE = 0x95


class ProtocolError(ValueError):
    """Bytes, or a packet to be encoded, that the standard forbids or that cannot be understood.

    `reason` is one line for people; where the standard has a numbered statement it ends with its id, as in
    '[MQTT-3.1.2-3]'. `code` is the MQTT 5 reason code for it (0x81 malformed packet, 0x82 protocol error, ...), also
    for 3.1.1: `connack_code` in codes.py turns it into a CONNACK return code.

    What a single feed had understood before the bad packet is not lost: `packets` holds it when Decoder raises,
    `frames` when Splitter does. `raw` is the bad packet itself, as far as it had come.
    """

    def __init__(self, reason: str, code: int = MALFORMED_PACKET) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.raw = b""
        self.frames: list[bytes] = []
        self.packets: list[tuple[Packet, bytes]] = []
