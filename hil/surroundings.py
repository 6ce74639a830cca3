"""What a board finds around it, taken away with the board running on, and brought back: its Wi-Fi, its name server.

A virtual board's are orders to its control port. A real one's access point is a switch in its supply, of any kind that
docs/power.md has, which the rig names as the board's `access_point`; all boards that use it lose it together. A real
board's name server is its network's, and out of a bench's hands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from hil.power import PowerSwitch
from hil.power.control_port import VirtualSwitch
from hil.power.patterns import Pattern, cut_at
from hil.power.patterns.cut_at import ONCE
from hil.schedule import Schedule
from hil.timeline import Match, Timeline

WIFI_LOSS: Final = "wifi-loss"
DNS_OUTAGE: Final = "dns-outage"
"""What the events of each are called: `power` `fault` {name, pattern, state}, as those of power cuts."""


class VirtualSurrounding:
    """A virtual board's access point ('radio') or name server ('names'): `on` is there, `off` is away."""

    kind = "virtual"
    can_cut = True
    shortest: float | None = 0.01

    def __init__(self, switch: VirtualSwitch, what: Literal["radio", "names"]) -> None:
        self._switch = switch
        self._what = what

    def on(self) -> None:
        """It is there again. Raises PowerError."""
        self._switch.order(f"{self._what}-up")

    def off(self) -> None:
        """It is gone, and says nothing. Raises PowerError."""
        self._switch.order(f"{self._what}-down")

    def is_on(self) -> bool | None:
        """Whether it is there. Raises PowerError."""
        return bool(self._switch.order("state")[self._what])

    def close(self) -> None:
        """There is nothing to let go of."""


@dataclass(frozen=True, slots=True)
class _Air:
    """A board as a power pattern sees it, what is around it in place of its supply."""

    name: str
    power: PowerSwitch
    timeline: Timeline


def loss(
    what: str,
    name: str,
    switch: PowerSwitch,
    timeline: Timeline,
    *,
    at: Match | None = None,
    off: float,
    delay: float = 0.0,
    when: Schedule = ONCE,
) -> Pattern:
    """A block in which the board `name` is without something for `off` seconds, `delay` seconds after an event.

    Without `at` from the block's beginning on, once. Whatever was taken away is back when the block ends. `switch`
    takes it away; `what`: what its events are called; their words are those of hil.power.patterns.
    """
    air = _Air(name, switch, timeline)
    if at is not None:
        return cut_at(air, at, off=off, delay=delay, when=when, name=what)

    def plan(pattern: Pattern) -> None:
        pattern.cut(off, since=pattern.start, planned=delay)

    facts: dict[str, Any] = {"off": off, "delay": delay}
    return Pattern(air, what, plan, facts, within=0.5)
