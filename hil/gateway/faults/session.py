"""What the broker says, and remembers, of a session; and the keep-alive that it sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Frame, Link, Player
from hil.wire.mqtt import Connack, Connect, Version


@dataclass(frozen=True)
class SessionPresent(Fault):
    """Say `value` for session-present in CONNACK 0, where it is not so. An occasion is such a CONNACK.

    False: the session is there, with its subscriptions, and the device is told that it is not. True: it is not there.
    A client that asked for a clean start must close then [MQTT-3.2.2-4 of MQTT 5].
    """

    name: ClassVar[str] = "session-present"
    value: bool = False

    def player(self, link: Link) -> Player:
        return _Lying(link, self.value)


class _Lying(Player):
    def __init__(self, link: Link, value: bool) -> None:
        super().__init__(link)
        self._value = value

    def down(self, frame: Frame) -> list[Frame] | None:
        packet = frame.packet
        if not isinstance(packet, Connack) or packet.code != 0 or packet.session_present is self._value:
            return None
        if not self.link.occasion(truth=packet.session_present):
            return None
        return [self.link.frame(replace(packet, session_present=self._value))]


@dataclass(frozen=True)
class ForgetSession(Fault):
    """Have the broker drop the session that it keeps, before it gets a CONNECT that wants it.

    The device is told by session-present 0 alone; its new session is kept as ever. An occasion is such a CONNECT.
    """

    name: ClassVar[str] = "forget-session"

    def player(self, link: Link) -> Player:
        return _Forgetting(link)


class _Forgetting(Player):
    def up(self, frame: Frame) -> list[Frame] | None:
        packet = frame.packet
        if isinstance(packet, Connect) and not packet.clean and self.link.occasion():
            self.link.forget_session(packet)
        return None


@dataclass(frozen=True)
class ServerKeepAlive(Fault):
    """Set the device's keep-alive to `seconds` in the CONNACK, as a broker of MQTT 5 may (section 3.2.2.3.14).

    The client must use it in place of its own [MQTT-3.1.2-21], and the gateway enforces it. 0 turns the keep-alive off.
    Does nothing to a 3.1.1 client. An occasion is a CONNACK 0 of MQTT 5.
    """

    name: ClassVar[str] = "server-keep-alive"
    seconds: int

    def __post_init__(self) -> None:
        if not 0 <= self.seconds <= 0xFFFF:
            raise ValueError(f"{self.name}: seconds is {self.seconds}, expected 0 to 65535")

    def player(self, link: Link) -> Player:
        return _Setting(link, self.seconds)


class _Setting(Player):
    def __init__(self, link: Link, seconds: int) -> None:
        super().__init__(link)
        self._seconds = seconds

    def down(self, frame: Frame) -> list[Frame] | None:
        packet = frame.packet
        if not isinstance(packet, Connack) or packet.code != 0 or self.link.version is not Version.V5:
            return None
        if not self.link.occasion():
            return None
        properties = {**packet.properties, "server_keep_alive": self._seconds}
        return [self.link.frame(replace(packet, properties=properties))]
