"""Which serial ports there are, which of them a rig means, and which board was last seen on each.

`connected()` reads what the kernel knows of each USB serial port. No port is opened: on Linux that raises DTR and RTS,
which resets many boards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.lazily import names

if TYPE_CHECKING:
    from hil.ports.finder import PortFinder, device_of, port_seen
    from hil.ports.usb import UsbPort, connected
    from hil.ports.wanted import PortAmbiguous, PortNotFound, PortTable, find

__all__ = [
    "PortAmbiguous",
    "PortFinder",
    "PortNotFound",
    "PortTable",
    "UsbPort",
    "connected",
    "device_of",
    "find",
    "port_seen",
]

__getattr__ = names(
    "hil.ports",
    {
        "finder": ("PortFinder", "device_of", "port_seen"),
        "usb": ("UsbPort", "connected"),
        "wanted": ("PortAmbiguous", "PortNotFound", "PortTable", "find"),
    },
)
