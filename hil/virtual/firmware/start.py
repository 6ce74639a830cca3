"""The entry of the firmware's process, after the fork."""

from __future__ import annotations

import asyncio
import socket
import sys
import traceback

from hil.virtual.firmware.app import Device
from hil.virtual.firmware.options import UnknownOption
from hil.virtual.firmware.system import System, quiet_signals, receive_boot


def run(wire: socket.socket) -> None:
    """Boot the firmware on the chip at the other end of `wire`; returns only when that is gone."""
    quiet_signals()
    wire.setblocking(True)
    boot = receive_boot(wire)
    try:
        system = System(wire, boot)
    except UnknownOption as error:
        # The image was built by another version of this program.
        system = System(wire, {**boot, "options": []})
        system.log("E", "app", f"this image cannot run: {error}")
        system.hang()
    asyncio.run(_main(system))


async def _main(system: System) -> None:
    system.listen()
    try:
        await Device(system).run()
    except Exception as error:
        # A fault of the firmware itself: what a chip does then, with the place where it happened for a backtrace.
        last = traceback.extract_tb(sys.exc_info()[2])[-1]
        where = f"Backtrace: {last.filename}:{last.lineno} in {last.name}"
        system.panic(type(error).__name__, [f"{type(error).__name__}: {error}", where])
