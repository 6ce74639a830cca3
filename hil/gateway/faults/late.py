"""Packets from the broker that come late."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.packets import Down, facts, is_meant
from hil.gateway.faults.player import Frame, Link, Player
from hil.wire.mqtt import Connack


@dataclass(frozen=True)
class Late(Fault):
    """Send one kind of the broker's packets `seconds` late, or 'all' of them. An occasion is a packet.

    Other packets overtake a late one, but none its like; and nothing overtakes a CONNACK, as a broker has nothing to
    say before it. When the fault is cleared, what was late goes at once; what is late when the connection ends is lost.
    """

    name: ClassVar[str] = "late"
    joins_open: ClassVar[bool] = True
    packet: Down = "puback"
    seconds: float = 1.0

    def __post_init__(self) -> None:
        self.expect_one_of("packet", Down)
        self.expect_at_least("seconds", 0, "s")

    def player(self, link: Link) -> Player:
        return _Delaying(link, self.packet, self.seconds)


@dataclass(frozen=True)
class LateConnack(Fault):
    """Send the CONNACK `seconds` late, and nothing before it. An occasion is a CONNACK."""

    name: ClassVar[str] = "late-connack"
    joins_open: ClassVar[bool] = True
    seconds: float

    def __post_init__(self) -> None:
        self.expect_at_least("seconds", 0, "s")

    def player(self, link: Link) -> Player:
        return _Delaying(link, "connack", self.seconds)


class _Delaying(Player):
    def __init__(self, link: Link, packet: Down, seconds: float) -> None:
        super().__init__(link)
        self._packet = packet
        self._seconds = seconds
        self._late: deque[Frame] = deque()
        self._behind: list[Frame] | None = None  # what waits for the CONNACK that is late

    def down(self, frame: Frame) -> list[Frame] | None:
        if self._behind is not None:
            self._behind.append(frame)
            return []
        if not is_meant(frame, self._packet) or not self.link.occasion(**facts(frame)):
            return None
        if isinstance(frame.packet, Connack):
            self._behind = []
        self._late.append(frame)
        self.link.later(self._seconds, self._release)
        return []

    def clear(self) -> None:
        while self._late:
            self._release()

    def _release(self) -> None:
        frames = [self._late.popleft()]
        if isinstance(frames[0].packet, Connack) and self._behind is not None:
            behind, self._behind = self._behind, None
            frames += behind
        self.link.send(*frames)
