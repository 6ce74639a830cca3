"""What one side may send when: the rules that take more than one packet to see, but no more than one side's packets.

    sender   state     packet                              then
    client   new       CONNECT                             open
             new       any other                           error [MQTT-3.1.0-1]
             open      CONNECT                             error [MQTT-3.1.0-2]
             open      AUTH, not of CONNECT's method       error [MQTT-4.12.0-5]
             open      AUTH, CONNECT had no method         error [MQTT-4.12.0-7]
             open      DISCONNECT                          ended
             ended     any                                 error (3.1.1 [MQTT-3.14.4-2], 5 [MQTT-3.14.4-1])
    server   new       CONNACK that accepts                open
             new       CONNACK that refuses                refused
             new       AUTH that continues (5 alone)       new
             new       any other AUTH                      error [MQTT-4.12.0-2]
             new       any other                           error [MQTT-3.2.0-1]
             open      AUTH, not of the same method        error [MQTT-4.12.0-5]
             open      AUTH, CONNACK had no method         error [MQTT-4.12.0-6]
             open      CONNACK                             error (5 [MQTT-3.2.0-2])
             open      DISCONNECT (5 alone)                ended
             refused   any                                 error (3.1.1 [MQTT-3.2.2-5], 5 [MQTT-3.2.2-7])
             ended     any                                 error (5 [MQTT-3.14.4-1])
    both     any       what only the other side sends      error
             open      PUBLISH with an alias alone that
                       nobody has given a topic            error (5 section 3.3.2.3.4)

What needs both sides' packets (a PUBACK for each PUBLISH, packet ids in use, limits that the peer has set) is not
looked at here.
"""

from __future__ import annotations

from typing import Final, Literal

from hil.wire.mqtt.checks import check_sender
from hil.wire.mqtt.packets import Auth, Connack, Connect, Disconnect, Packet, Publish, Version
from hil.wire.mqtt.rules import violation

_CONNECT: Final = 1
_CONNACK: Final = 2
_AUTH: Final = 15
_CONTINUE: Final = 0x18


class Order:
    """The state of one side of one connection. `sender`: 'client' or 'server'; `version` follows a CONNECT."""

    __slots__ = ("_aliases", "_method", "_sender", "_session_ends", "state", "version")

    def __init__(self, sender: Literal["client", "server"], version: Version | None) -> None:
        self._sender = sender
        self.version = version or Version.V311
        self.state: Literal["new", "open", "refused", "ended"] = "new"
        self._method: str | None = None  # of authentication, as CONNECT or CONNACK named it, or an AUTH before CONNACK
        self._aliases: set[int] = set()  # that stand for a topic
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
                self._accept(packet)
            case Publish():
                self._check_alias(packet)
            case Auth():
                self._check_auth(packet)
            case Disconnect():
                if self._sender == "client" and self._session_ends and packet.properties.get("session_expiry_interval"):
                    raise violation("session revived", self.version, "DISCONNECT with a session expiry interval")
                self.state = "ended"

    def _accept(self, packet: Connack) -> None:
        if self.state == "open":
            raise violation("one connack", self.version, "a second CONNACK")
        if packet.code:
            self.state = "refused"
            return
        method = packet.properties.get("authentication_method")
        if self._method is not None and method != self._method:
            raise violation("auth other method", self.version, f"CONNACK with {method!r} after {self._method!r}")
        self.state, self._method = "open", method

    def _check_alias(self, packet: Publish) -> None:
        alias = packet.properties.get("topic_alias")
        if alias is None:
            return
        if packet.topic:
            self._aliases.add(alias)
        elif alias not in self._aliases:
            raise violation("alias unknown", self.version, f"PUBLISH with topic alias {alias} alone")

    def _check_auth(self, packet: Auth) -> None:
        if self.state == "new":  # a server's, before its CONNACK
            if packet.code != _CONTINUE:
                raise violation("auth continues", self.version, f"AUTH with code 0x{packet.code:02x} before CONNACK")
            self._method = self._method or packet.properties["authentication_method"]
        elif self._method is None:
            rule = "auth unasked" if self._sender == "client" else "auth unknown"
            raise violation(rule, self.version, "AUTH")
        method = packet.properties.get("authentication_method", self._method)
        if method != self._method:
            raise violation("auth other method", self.version, f"AUTH with {method!r} after {self._method!r}")
