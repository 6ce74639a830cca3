"""A virtual board without a bridge: the chip's own USB is the serial port, and goes where the chip goes.

`usb-serial-jtag` is fixed in hardware. It keeps its place on the bus while the chip is reset through it or by software,
and leaves it with the power and with the RST button. It says who it is by the chip's MAC address.

`usb-otg` is the firmware's port, or the ROM's in download mode: another device each, with other ids and another serial
number, and off the bus at every reset.

What DTR and RTS do is a matter of the wiring (hil/virtual/wiring.py). No hardware has confirmed any of this yet.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hil.virtual.board import Board
from hil.virtual.boot_steps import Start
from hil.virtual.host import Cause
from hil.virtual.usb.serial import UsbSerial
from hil.virtual.usb.tree import Descriptor, Tree
from hil.virtual.wiring import Otg

ENUMERATION = 0.3
"""Seconds from a chip's start to its port: reset of the bus, address, driver, udev. An order of magnitude."""
SHORTEST = 0.05
"""The least of it at any speed, so that the port is seen to be away."""


class UsbBoard(Board):
    """A board whose port is the chip's own USB, once it is plugged in."""

    def plug_into(self, tree: Tree, location: str) -> None:
        """Have its port in `tree` at `location`, in place of a bridge. Before the first power-on."""
        self._otg = isinstance(self.wiring, Otg)
        self.usb = UsbSerial(self, tree, location)
        self.serial = self.usb  # type: ignore[assignment]  # it has all that a board uses
        self._arriving: asyncio.TimerHandle | None = None

    # -- on the bus and off ----------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        """Be on the bus after the time that this takes."""
        if self._arriving is None and not self.usb.attached:
            delay = max(SHORTEST, ENUMERATION / self.speed)
            self._arriving = asyncio.get_running_loop().call_later(delay, self._arrived)

    def _arrived(self) -> None:
        self._arriving = None
        self.usb.attach(self._descriptor())

    def _leave(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None
        self.usb.detach()

    def _descriptor(self) -> Descriptor:
        mac = self.mac.hex(":").upper()
        if not self._otg:
            return Descriptor("303a", "1001", "Espressif", "USB JTAG/serial debug unit", mac)
        if self.mode == "download":
            return Descriptor("303a", "0002", "Espressif", self.chip.title, "0")
        return Descriptor("303a", "4001", "Espressif", "Espressif Device", mac.replace(":", ""))

    # -- with the chip ---------------------------------------------------------------------------------------------

    async def power_on(self) -> None:
        """See `Board.power_on`; the port comes a while later."""
        if not self.power:
            await super().power_on()
            if not self._otg:
                self._arrive()

    async def power_off(self) -> None:
        """See `Board.power_off`; the port is gone at once."""
        self._leave()
        await super().power_off()

    def _press_reset(self) -> None:
        if self.power:
            self._leave()
            super()._press_reset()
            if not self._otg:
                self._arrive()

    def _stop(self, *, silent: bool = True) -> None:
        # A firmware's own USB ends with it; the ROM's, too.
        if self._otg:
            self._leave()
        super()._stop(silent=silent)

    def _begin(self, cause: Cause, *, download: bool) -> None:
        super()._begin(cause, download=download)
        if self._otg and download:
            self._arrive()

    async def _run_firmware(self, start: Start, cause: Cause) -> None:
        if self._otg:
            self._arrive()
        await super()._run_firmware(start, cause)

    def state(self) -> dict[str, Any]:
        """See `Board.state`; `port` is whether it is on the bus."""
        return {**super().state(), "port": self.usb.attached}
