"""The reference firmware: a small telemetry device, run by the virtual board in a process of its own.

The supervisor (the virtual chip) uses `start_core`, `prepare` and `close`; everything else here is the firmware
itself, which sees nothing but its chip. `OPTIONS` lists the ways to build it badly.
"""

from __future__ import annotations

from hil.virtual.firmware.core import FirmwareError, RunningCore, close, prepare, start_core
from hil.virtual.firmware.options import OPTIONS, Option, UnknownOption

__all__ = ["OPTIONS", "FirmwareError", "Option", "RunningCore", "UnknownOption", "close", "prepare", "start_core"]
