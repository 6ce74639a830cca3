"""A port that is found again each time it is opened: it may have come back under another name."""

from __future__ import annotations

import os
from collections.abc import Callable

from hil.ports.usb import UsbPort, connected
from hil.ports.wanted import PortNotFound, PortTable, find, fits

#: Asks the chips on these ports for their MAC addresses, and resets them; the port that has it, or None.
Asking = Callable[[str, list[UsbPort]], UsbPort | None]


class PortFinder:
    """Finds the port with the marks that a rig gives.

    `asking` asks chips for a MAC address. It is asked once: from then on the board is known by where it is plugged in.
    """

    def __init__(
        self,
        wanted: PortTable,
        *,
        listing: Callable[[], list[UsbPort]] = connected,
        asking: Asking | None = None,
    ) -> None:
        self.wanted = wanted
        self._listing = listing
        self._asking = asking

    def __str__(self) -> str:
        return f"the port with {self.wanted}"

    def device(self) -> str:
        """A name of the port that is there now, one that stays with it. Raises PortNotFound."""
        ports = self._listing()
        if self.wanted.ask:
            self._ask(ports)
        return find(self.wanted, ports).lasting

    def _ask(self, ports: list[UsbPort]) -> None:
        assert self.wanted.mac is not None
        candidates = [port for port in ports if port.mac is None and fits(self.wanted, port)]
        there = next((port for port in ports if port.mac == self.wanted.mac), None)
        if there is None and self._asking is not None:
            there = self._asking(self.wanted.mac, candidates)
        if there is None:
            asked = ", ".join(str(port) for port in candidates) or "none, as no port fits"
            raise PortNotFound(f"no chip says that it has {self.wanted}; asked: {asked}; plug it in, or correct mac")
        self.wanted = PortTable(location=there.location, interface=there.interface)


def port_seen(port: str | PortFinder, listing: Callable[[], list[UsbPort]] = connected) -> UsbPort | None:
    """What USB tells of a rig's port; None where it is not connected, or no USB port. Opens none, asks no chip."""
    if isinstance(port, PortFinder) and port.wanted.ask:
        return None
    try:
        device = os.path.realpath(device_of(port))
    except PortNotFound:
        return None
    return next((known for known in listing() if os.path.realpath(known.device) == device), None)


def device_of(port: str | PortFinder) -> str:
    """What to open for a port of a rig: a name stays as it is, marks are looked for. Raises PortNotFound."""
    return port if isinstance(port, str) else port.device()
