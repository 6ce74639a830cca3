"""What one side may send when: the rules that take more than one packet to see, but no more than one side's packets.

    sender   state     packet                              then
    client   new       CONNECT                             open
             new       any other                           error [MQTT-3.1.0-1]
             open      CONNECT                             error [MQTT-3.1.0-2]
             open      AUTH, not of CONNECT's method       error (5 [MQTT-4.12.0-5], [MQTT-4.12.0-7])
             open      DISCONNECT                          ended
             ended     any                                 error (3.1.1 [MQTT-3.14.4-2], 5 [MQTT-3.14.4-1])
    server   new       CONNACK that accepts                open
             new       CONNACK that refuses                refused
             new       AUTH (5 alone)                      new
             new       any other                           error [MQTT-3.2.0-1]
             open      CONNACK                             error (5 [MQTT-3.2.0-2])
             open      DISCONNECT (5 alone)                ended
             refused   any                                 error (3.1.1 [MQTT-3.2.2-5], 5 [MQTT-3.2.2-7])
             ended     any                                 error (5 [MQTT-3.14.4-1])
    both     any       what only the other side sends      error

What needs both sides' packets (a PUBACK for each PUBLISH, packet ids in use, limits that the peer has set, topic
aliases) is not looked at here.
"""

from __future__ import annotations

from typing import Final, Literal

from hil.wire.mqtt.checks import check_sender
from hil.wire.mqtt.packets import Auth, Connack, Connect, Disconnect, Packet, Version
from hil.wire.mqtt.rules import violation

_CONNECT: Final = 1
_CONNACK: Final = 2
_AUTH: Final = 15


class Order:
    """The state of one side of one connection. `sender`: 'client' or 'server'; `version` follows a CONNECT."""

    __slots__ = ("_method", "_sender", "_session_ends", "state", "version")

    def __init__(self, sender: Literal["client", "server"], version: Version | None) -> None:
        self._sender = sender
        self.version = version or Version.V311
        self.state: Literal["new", "open", "refused", "ended"] = "new"
        self._method: str | None = None  # CONNECT's authentication method
        self._session_ends = False  # CONNECT asked for a session that ends with the connection

    def check_first(self, first: int) -> None:
        """Raises ProtocolError if no packet that begins with this byte may come now."""
        if self.state == "open":
            return
        kind = first >> 4
        found = f"a packet of type {kind}"
        if self.state == "ended":
            raise violation("last", self.version, found)
        if self.state == "refused":
            raise violation("refused", self.version, found)
        if self._sender == "client":
            if kind != _CONNECT:
                raise violation("first", self.version, found)
        elif kind != _CONNACK and (kind != _AUTH or self.version is Version.V311):
            raise violation("first from server", self.version, found)

    def follow(self, packet: Packet) -> None:
        """Takes note of a packet whose first byte was allowed. Raises ProtocolError if the whole of it is not."""
        check_sender(packet, self.version, self._sender)
        match packet:
            case Connect():
                if self.state == "open":
                    raise violation("once", self.version, "a second CONNECT")
                self.state, self.version = "open", packet.version
                self._method = packet.properties.get("authentication_method")
                self._session_ends = not packet.properties.get("session_expiry_interval", 0)
            case Connack():
                if self.state == "open":
                    raise violation("one connack", self.version, "a second CONNACK")
                self.state = "refused" if packet.code else "open"
            case Auth() if self._sender == "client":
                self._check_method(packet)
            case Disconnect():
                if self._sender == "client" and self._session_ends and packet.properties.get("session_expiry_interval"):
                    raise violation("session revived", self.version, "DISCONNECT with a session expiry interval")
                self.state = "ended"

    def _check_method(self, packet: Auth) -> None:
        if self._method is None:
            raise violation("auth unasked", self.version, "AUTH")
        method = packet.properties.get("authentication_method", self._method)
        if method != self._method:
            raise violation("auth other method", self.version, f"AUTH with {method!r}, CONNECT had {self._method!r}")
