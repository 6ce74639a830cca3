"""Which packets a device may send, and when: what a client of MQTT sends, and CONNECT first and once."""

from __future__ import annotations

from typing import Final

from hil.wire.mqtt import (
    Auth,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    ProtocolError,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Unsubscribe,
)

_PROTOCOL_ERROR: Final = 0x82
"""Reason code of MQTT 5, section 2.4."""
_FROM_CLIENTS: Final = frozenset((
    Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe, Unsubscribe, Pingreq, Disconnect, Auth
))  # fmt: skip


def check_first(packet: Packet) -> Connect:
    """The first packet of a connection. Raises ProtocolError if it is no CONNECT."""
    if not isinstance(packet, Connect):
        words = f"the first packet is {type(packet).__name__.upper()}, not CONNECT [MQTT-3.1.0-1]"
        raise ProtocolError(words, _PROTOCOL_ERROR)
    return packet


def check_later(packet: Packet) -> None:
    """Any other packet of a device. Raises ProtocolError for a CONNECT, and for what only a broker sends."""
    if type(packet) in _FROM_CLIENTS:
        return
    if isinstance(packet, Connect):
        raise ProtocolError("a second CONNECT on the same connection [MQTT-3.1.0-2]", _PROTOCOL_ERROR)
    raise ProtocolError(f"a device sent {type(packet).__name__.upper()}, which only a broker sends", _PROTOCOL_ERROR)
