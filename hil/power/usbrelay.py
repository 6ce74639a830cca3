"""A USB HID relay (www.dcttech.com, 16c0:05df), worked by usbrelay as a process of its own.

usbrelay(1), https://github.com/darrylb123/usbrelay: without arguments it prints a line `SERIAL_N=STATE` for each relay
that it finds; `SERIAL_N=1` switches on. Version 1.0 of Debian exits with 0 also where no module is plugged in (tried),
so that only the printed lines count.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from hil.power import PowerError
from hil.power.outlet import OutletPower, Resolve, Seconds
from hil.power.tool import run_tool

_LINE = re.compile(r"^(\S+)_(\d+)=([01])\s*$", re.MULTILINE)


class UsbrelayPower(OutletPower):
    """Relay `channel` (from 1) of the module with this `serial` ('BITFT'), as usbrelay prints both."""

    kind: Literal["usbrelay"] = "usbrelay"
    serial: Annotated[str, Field(pattern=r"^[^\s=]+$")]
    channel: Annotated[int, Field(ge=1, le=8)] = 1
    timeout: Seconds = 10.0
    program: str = "usbrelay"

    @property
    def shortest(self) -> float | None:
        """A process for each change, and the relay's own 10 ms (Songle SRD-05VDC data sheet, operate time)."""
        return 0.1

    @property
    def identity(self) -> str:
        return f"usbrelay {self.serial} channel {self.channel}"

    def outlet(self, resolve: Resolve) -> UsbrelayOutlet:
        return UsbrelayOutlet(self)


class UsbrelayOutlet:
    """One relay of a module."""

    def __init__(self, config: UsbrelayPower) -> None:
        self._config = config
        self._name = f"{config.serial}_{config.channel}"

    def set(self, on: bool) -> None:
        self.state()  # a module that is not there is an error of its own, and no order to another
        self._usbrelay(f"{self._name}={int(on)}")

    def state(self) -> bool | None:
        output = self._usbrelay()
        found = {f"{serial}_{number}": state for serial, number, state in _LINE.findall(output)}
        if self._name not in found:
            raise PowerError(
                f"usbrelay shows no relay {self._name}; it shows {', '.join(found) or 'none at all'}: is it plugged "
                "in, and may this user open it? usbrelay's udev rule gives it to the group plugdev"
            )
        return bool(found[self._name] == "1")

    def close(self) -> None:
        pass

    def _usbrelay(self, *order: str) -> str:
        return run_tool(
            [self._config.program, *order],
            timeout=self._config.timeout,
            install="install it (`apt install usbrelay`)",
            stuck="unplug the relay and plug it in again",
        ).output
