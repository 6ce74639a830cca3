"""The reference firmware: a small telemetry device, run by the virtual board in a process of its own.

The supervisor (the virtual chip) uses `start_core`, `prepare` and `close`; everything else here is the firmware
itself, which sees nothing but its chip. `OPTIONS` lists the ways to build it badly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hil.virtual.firmware.options import OPTIONS, Option, UnknownOption

if TYPE_CHECKING:
    from hil.virtual.firmware.core import FirmwareError, RunningCore, close, prepare, start_core

__all__ = ["OPTIONS", "FirmwareError", "Option", "RunningCore", "UnknownOption", "close", "prepare", "start_core"]


def __getattr__(name: str) -> Any:
    """What runs a firmware is imported when it is asked for: to build an image takes half as long without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hil.virtual.firmware import core

    return getattr(core, name)
