"""What DTR and RTS of a board's port do to its chip. Sans-IO; asserted is true.

    usb-uart           a bridge with two transistors: levels of EN and IO0
    usb-uart-inverted  the same, with both lines inverted on their way
    usb-serial-jtag    orders to the chip's own peripheral: a flag, and a reset of the core
    usb-otg            what a firmware's USB code, or the ROM's, makes of them
    none               not connected

The bridge's table (Espressif, 'Boot Mode Selection'):

    DTR RTS   EN    IO0
     0   0    high  high
     1   1    high  high
     0   1    low   high    held in reset
     1   0    high  low     sampled when EN rises: download mode

USB-Serial/JTAG's table (technical reference manuals of S3 and H2, 'CDC-ACM Settings with RTS and DTR'):

    DTR RTS
     0   0    clear the download flag
     1   0    set the download flag
     0   1    reset the chip; with the flag set, into download mode
     1   1    nothing

USB-OTG, of a firmware by Arduino's core (USBCDC.cpp, `_onLineState` and `_onLineCoding`): RTS, both, DTR, neither, in
this order, or a rate of 1200 bit/s, restart into download mode; nothing else does anything. The ROM's loader is reset
by RTS, and does not read the straps again (esptool, hard_reset of the S2: 'GPIO0 low').
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hil.virtual.host import Cause

TOUCH = 1200
"""bit/s: Arduino's sign for 'start the bootloader'."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The chip is reset at this moment, by itself, for `cause`; into download mode or not."""

    cause: Cause
    download: bool


class Wiring(Protocol):
    """One port's lines. `held`: EN is low. `strap`: IO0 is low. `settling`: on the way from one state to another."""

    is_uart: bool
    held: bool
    strap: bool
    settling: bool

    def lines(self, dtr: bool, rts: bool, mode: str) -> Restart | None:
        """The lines have changed, while the chip is in `mode` ('off', 'reset', 'run', 'download')."""

    def rate(self, baud: int, mode: str) -> Restart | None:
        """The host has set another speed."""


class Bridge:
    """EN and IO0 by level; `inverted` on the way, or not."""

    is_uart = True

    def __init__(self, inverted: bool = False) -> None:
        self._inverted = inverted
        self.held = self.strap = self.settling = False

    def lines(self, dtr: bool, rts: bool, mode: str) -> Restart | None:
        """See `Wiring`: nothing is reset by an edge here."""
        if self._inverted:
            dtr, rts = not dtr, not rts
        self.held, self.strap = rts and not dtr, dtr and not rts
        # Over a network the two lines change one after the other: 'into download mode' passes through both asserted.
        self.settling = dtr and rts
        return None

    def rate(self, baud: int, mode: str) -> Restart | None:
        """See `Wiring`."""
        return None


class Unconnected:
    """Lines that lead nowhere."""

    is_uart = True
    held = strap = settling = False

    def lines(self, dtr: bool, rts: bool, mode: str) -> Restart | None:
        """See `Wiring`."""
        return None

    def rate(self, baud: int, mode: str) -> Restart | None:
        """See `Wiring`."""
        return None


class SerialJtag(Unconnected):
    """The chip's own USB-Serial/JTAG."""

    is_uart = False

    def __init__(self) -> None:
        self._flag = False
        self._resetting = False

    def lines(self, dtr: bool, rts: bool, mode: str) -> Restart | None:
        """See `Wiring`."""
        resets, again = rts and not dtr, self._resetting
        self._resetting = resets
        if not rts:
            self._flag = dtr
        if not resets or again or mode == "off":
            return None
        return Restart(Cause.USB, download=self._flag)


class Otg(Unconnected):
    """The chip's own USB-OTG."""

    is_uart = False
    _WALK = ((False, True), (True, True), (True, False), (False, False))

    def __init__(self) -> None:
        self._walked = 0
        self._rts = False
        self.by_button = False
        """Whether download mode was entered with BOOT held: a reset of the core alone leads there again."""

    def lines(self, dtr: bool, rts: bool, mode: str) -> Restart | None:
        """See `Wiring`."""
        rises, self._rts = rts and not self._rts, rts
        if mode == "download":
            self._walked = 0
            return Restart(Cause.USB, download=self.by_button) if rises and not dtr else None
        if mode != "run":
            return None
        if (dtr, rts) != self._WALK[self._walked]:
            self._walked = 0
            return None
        self._walked += 1
        if self._walked < len(self._WALK):
            return None
        return self._to_loader()

    def rate(self, baud: int, mode: str) -> Restart | None:
        """See `Wiring`."""
        return self._to_loader() if baud == TOUCH and mode == "run" else None

    def _to_loader(self) -> Restart:
        self._walked = 0
        self.by_button = False
        return Restart(Cause.SOFTWARE, download=True)


WIRINGS = ("usb-uart", "usb-uart-inverted", "usb-serial-jtag", "usb-otg", "none")
_OF_CHIPS = {
    "usb-serial-jtag": ("esp32s3", "esp32c3", "esp32c5", "esp32c6", "esp32c61", "esp32h2", "esp32p4"),
    "usb-otg": ("esp32s2", "esp32s3", "esp32p4"),
}


def make(kind: str, chip: str) -> Wiring:
    """The wiring of that kind. Raises ValueError for a chip that has no such port."""
    having = _OF_CHIPS.get(kind)
    if having is not None and chip not in having:
        raise ValueError(f"{chip} has no {kind} port; those that have one: {', '.join(having)}")
    match kind:
        case "usb-uart":
            return Bridge()
        case "usb-uart-inverted":
            return Bridge(inverted=True)
        case "usb-serial-jtag":
            return SerialJtag()
        case "usb-otg":
            return Otg()
    return Unconnected()
