"""What takes a board's Wi-Fi away with the board running on, and brings it back.

A virtual board's access point is an order to its control port; a real one's is a switch in its supply, of any kind
that docs/power.md has, which the rig names as the board's `access_point`. All boards that use it lose it together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hil.power import PowerSwitch
from hil.power.control_port import VirtualSwitch
from hil.power.patterns import Pattern, cut_at
from hil.power.patterns.cut_at import ONCE
from hil.schedule import Schedule
from hil.timeline import Match, Timeline

NAME = "wifi-loss"
"""What the events of a loss are called: `power` `fault` {name, pattern, state}, as those of power cuts."""


class VirtualAccessPoint:
    """That of a virtual board: `on` is there, `off` is away. A switch like any other."""

    kind = "virtual"
    can_cut = True
    shortest: float | None = 0.01

    def __init__(self, switch: VirtualSwitch) -> None:
        self._switch = switch

    def on(self) -> None:
        """It is there again; the board has to join. Raises PowerError."""
        self._switch.radio(True)

    def off(self) -> None:
        """It is gone, and says nothing. Raises PowerError."""
        self._switch.radio(False)

    def is_on(self) -> bool | None:
        """Whether it is there. Raises PowerError."""
        return bool(self._switch.order("state")["radio"])

    def close(self) -> None:
        """There is nothing to let go of."""


@dataclass(frozen=True, slots=True)
class _Air:
    """A board as a power pattern sees it, its access point in place of its supply."""

    name: str
    power: PowerSwitch
    timeline: Timeline


def loss(
    name: str,
    access_point: PowerSwitch,
    timeline: Timeline,
    *,
    at: Match | None = None,
    off: float,
    delay: float = 0.0,
    when: Schedule = ONCE,
) -> Pattern:
    """A block in which the board `name` loses its access point for `off` seconds, `delay` seconds after an event.

    Without `at` from the block's beginning on, once. Whatever was taken away is back when the block ends. The pattern
    tells the timeline what it does; its words are those of hil.power.patterns.
    """
    air = _Air(name, access_point, timeline)
    if at is not None:
        return cut_at(air, at, off=off, delay=delay, when=when, name=NAME)

    def plan(pattern: Pattern) -> None:
        pattern.cut(off, since=pattern.start, planned=delay)

    facts: dict[str, Any] = {"off": off, "delay": delay}
    return Pattern(air, NAME, plan, facts, within=0.5)
