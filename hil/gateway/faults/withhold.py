"""Packets from the broker that never come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.packets import Down, facts, is_meant
from hil.gateway.faults.player import Frame, Link, Player
from hil.wire.mqtt import Connack


@dataclass(frozen=True)
class Withhold(Fault):
    """Keep one kind of the broker's packets from the device, or 'all' of them. An occasion is a packet.

    The broker itself has done its part: a message whose PUBACK is withheld was published. Without its CONNACK a
    device gets nothing else either, on that connection. What is withheld is lost, also when the fault is cleared.
    """

    name: ClassVar[str] = "withhold"
    joins_open: ClassVar[bool] = True
    packet: Down = "puback"

    def __post_init__(self) -> None:
        self.expect_one_of("packet", Down)

    def player(self, link: Link) -> Player:
        return _Withholding(link, self.packet)


class _Withholding(Player):
    def __init__(self, link: Link, packet: Down) -> None:
        super().__init__(link)
        self._packet = packet
        self._never_accepted = False

    def down(self, frame: Frame) -> list[Frame] | None:
        if self._never_accepted:
            return []
        if not is_meant(frame, self._packet) or not self.link.occasion(**facts(frame)):
            return None
        self._never_accepted = isinstance(frame.packet, Connack)
        return []
