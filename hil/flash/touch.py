"""The 1200-baud touch: how a board with a USB port of its own is asked for its bootloader.

The port is opened at 1200 bit/s and closed with DTR low. The sketch's USB code sees that, and starts the bootloader,
whose port is another: it may have another name (arduino.github.io/arduino-cli/latest/platform-specification, '1200 bps
bootloader reset'). It is known by its serial number, by the place where it is plugged in, or by being new.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import serial

from hil.ports import UsbPort, connected

#: How often the system's list of ports is read while one is waited for, in seconds. Nothing tells of a new one.
LOOK_AGAIN = 0.1


class TouchError(Exception):
    """The port could not be touched, or did not come back. One line with the cure."""


Listing = Callable[[], list[UsbPort]]


def touch(port: str) -> None:
    """Open `port` at 1200 bit/s and close it with DTR low. Raises TouchError."""
    try:
        line = serial.Serial()
        line.port, line.baudrate = port, 1200
        line.open()
    except (OSError, serial.SerialException) as error:
        raise TouchError(
            f"{port} cannot be opened for the 1200-baud touch ({error}); is the board plugged in?"
        ) from error
    try:
        line.dtr = False
    except OSError:
        pass  # gone already: that was quick
    finally:
        line.close()


def bootloader_port(
    port: str,
    within: float,
    stop: threading.Event,
    *,
    listing: Listing = connected,
    touching: Callable[[str], None] = touch,
) -> str:
    """Touch `port`, and wait for the bootloader's port up to `within` seconds; its name may be the same.

    A bootloader that runs already keeps its port: `port` itself is the answer when nothing changes. Raises TouchError
    if the port goes away and none comes, or `stop` is set.
    """
    device = os.path.realpath(port)
    before = listing()
    about = next((known for known in before if os.path.realpath(known.device) == device), UsbPort(device))
    device = about.device
    touching(port)
    gone, deadline = False, time.monotonic() + within
    while True:
        now = listing()
        there = {known.device for known in now}
        gone = gone or device not in there
        found = _again(about, before, now, gone)
        if found is not None:
            return found
        if stop.is_set():
            raise TouchError("stopped: the bench closes")
        if time.monotonic() > deadline:
            break
        stop.wait(LOOK_AGAIN)
    if not gone:
        return device
    raise TouchError(
        f"{port} went away at the 1200-baud touch, and no bootloader's port came within {within:g} s; press reset "
        "twice, or allow it more time (reappears in the rig's flasher)"
    )


def _again(about: UsbPort, before: list[UsbPort], now: list[UsbPort], gone: bool) -> str | None:
    """The bootloader's port in `now`, or None as long as it is not there."""
    old = {known.device for known in before}
    new = [known for known in now if known.device not in old]
    if gone:
        new += [known for known in now if known.device == about.device]
    for same in ("serial_number", "location"):
        mark = getattr(about, same)
        for port in new:
            if mark is not None and getattr(port, same) == mark:
                return port.device
    return new[0].device if len(new) == 1 else None
