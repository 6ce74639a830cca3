"""What cuts and restores a board's supply. One file for each kind of switch, one interface for all.

When events are recorded: `on` before the supply comes, `off` once it is gone. So whatever the timeline shows between
an `off` and the next `on` happened without power, and a board's first sign of life comes after its `on`.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from hil.timeline import Timeline


class PowerError(Exception):
    """The switch could not be used, or does not do what it was told; one line with the cause and the cure."""


class CannotCut(PowerError):
    """There is no switch: this board's supply cannot be cut."""


class PowerSwitch(Protocol):
    """A board's switch. `kind` as in the rig file. `can_cut`: whether on() and off() do anything at all.

    `shortest`: seconds of the shortest cut that this kind of switch makes reliably, None where nobody knows: then the
    achieved times on the timeline are all there is.
    """

    kind: str
    can_cut: bool
    shortest: float | None

    def on(self) -> None:
        """Give the board its supply. On already: nothing happens to the board. Raises PowerError."""
        ...

    def off(self) -> None:
        """Cut the supply. Off already: nothing happens. Raises PowerError, CannotCut."""
        ...

    def is_on(self) -> bool | None:
        """Whether there is power now, None if the switch cannot tell. Raises PowerError."""
        ...

    def close(self) -> None:
        """Let go of the switch. The supply stays as it is."""
        ...


def record(timeline: Timeline | None, state: str, board: str, switch: str) -> None:
    """Put `on` or `off` on the timeline, if there is one."""
    if timeline is not None:
        timeline.record("power", state, board, switch=switch)


#: Seconds between two looks at a switch that takes its time.
_GLANCE = 0.1


def check(switch: PowerSwitch, board: str, wanted: bool, *, patience: float = 0.0) -> None:
    """Read the state back, for up to `patience` seconds. Raises PowerError if it stays the other one."""
    deadline = time.monotonic() + patience
    while switch.is_on() is (not wanted):
        if time.monotonic() >= deadline:
            told, found = ("on", "off") if wanted else ("off", "on")
            after = f" after {patience:g} s" if patience else ""
            raise PowerError(
                f"power of {board}: the {switch.kind} switch was told to switch {told}, but says that it is {found}"
                f"{after}: is it the right port, and does nothing else switch it?"
            )
        threading.Event().wait(_GLANCE)
