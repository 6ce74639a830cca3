"""The directions of a network fault."""

from __future__ import annotations

from typing import Literal

Way = Literal["both", "up", "down"]
"""'up' comes from the device, 'down' goes to it."""


def ways(direction: Way) -> tuple[Literal["up", "down"], ...]:
    """The single directions that one of these words stands for."""
    return ("up", "down") if direction == "both" else (direction,)
