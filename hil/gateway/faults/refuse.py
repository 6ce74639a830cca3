"""The broker says no: to a CONNECT, to a SUBSCRIBE, to a connection that it had accepted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Frame, Link, Once, Player
from hil.wire.mqtt import Connack, Connect, Disconnect, Packet, Suback, Subscribe, Version, connack_code
from hil.wire.mqtt.codes import ALLOWED_5


@dataclass(frozen=True)
class RefuseConnack(Fault):
    """Answer CONNECT with a CONNACK that refuses, and close. The broker sees nothing of it. An occasion is a CONNECT.

    `code`: a return code of MQTT 3.1.1, 1 to 5 (table 3.1), or a reason code of MQTT 5, 128 and up (section 3.2.2.2).
    A client of the other version gets what corresponds to it: for 3.1.1 that is 3, 'server unavailable', where there
    is nothing better.
    """

    name: ClassVar[str] = "refuse-connack"
    code: int = 3

    def __post_init__(self) -> None:
        _check_code(self.name, self.code, Connack, range(1, 6))

    def player(self, link: Link) -> Player:
        return _RefusingConnect(link, self.code)


_AS_5 = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""The return codes of MQTT 3.1.1 as reason codes of MQTT 5, by what they mean."""


class _RefusingConnect(Player):
    def __init__(self, link: Link, code: int) -> None:
        super().__init__(link)
        self._code = code

    def up(self, frame: Frame) -> list[Frame] | None:
        if not isinstance(frame.packet, Connect) or not self.link.occasion():
            return None
        if self.link.version is Version.V5:
            code = _AS_5.get(self._code, self._code)
        else:
            code = self._code if self._code <= 5 else connack_code(self._code, Version.V311)
        self.link.end("fin", Connack(False, code))
        return []


@dataclass(frozen=True)
class RefuseSubscribe(Fault):
    """Answer SUBSCRIBE with a SUBACK that refuses each filter; the broker sees nothing. An occasion is a SUBSCRIBE.

    `code`: 0x80 (failure), or a reason code of MQTT 5 such as 0x87 (not authorized) or 0x97 (quota exceeded); a 3.1.1
    client gets 0x80 in any case (section 3.9.3).
    """

    name: ClassVar[str] = "refuse-subscribe"
    joins_open: ClassVar[bool] = True
    code: int = 0x80

    def __post_init__(self) -> None:
        _check_code(self.name, self.code, Suback)

    def player(self, link: Link) -> Player:
        return _RefusingSubscribe(link, self.code)


class _RefusingSubscribe(Player):
    def __init__(self, link: Link, code: int) -> None:
        super().__init__(link)
        self._code = code

    def up(self, frame: Frame) -> list[Frame] | None:
        packet = frame.packet
        if not isinstance(packet, Subscribe) or not self.link.occasion(filters=[s.filter for s in packet.filters]):
            return None
        code = self._code if self.link.version is Version.V5 else 0x80
        self.link.send(self.link.frame(Suback(packet.packet_id, (code,) * len(packet.filters))))
        return []


@dataclass(frozen=True)
class ServerDisconnect(Fault):
    """Send DISCONNECT with a reason, and close; a 3.1.1 client knows no such packet and is only closed on.

    `code`: a reason code of MQTT 5, section 3.14.2.1, such as 0x8B (server shutting down) or 0x98 (administrative
    action). `after`: seconds since the CONNACK, or since the fault began if that is later. An occasion is a connection.
    """

    name: ClassVar[str] = "server-disconnect"
    joins_open: ClassVar[bool] = True
    code: int = 0x8B
    after: float = 0.0

    def __post_init__(self) -> None:
        _check_code(self.name, self.code, Disconnect, (0,))
        self.expect_at_least("after", 0, "s")

    def player(self, link: Link) -> Player:
        return _Disconnecting(link, self)


class _Disconnecting(Once):
    def __init__(self, link: Link, fault: ServerDisconnect) -> None:
        super().__init__(link, fault.after)
        self._code = fault.code

    def once(self) -> None:
        if self.link.occasion():
            self.link.end("fin", Disconnect(self._code) if self.link.version is Version.V5 else None)


def _check_code(name: str, code: int, packet: type[Packet], also: Iterable[int] = ()) -> None:
    known = sorted({c for c in ALLOWED_5[packet] if c >= 0x80} | set(also))
    if code not in known:
        listed = ", ".join(str(c) if c < 0x80 else f"0x{c:02X}" for c in known)
        raise ValueError(f"{name}: code is {code:#04x}, expected one of {listed}")
