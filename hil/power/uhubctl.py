"""A USB hub that switches its ports, worked by uhubctl as a process of its own.

Which hubs can: https://github.com/mvp/uhubctl has the list. `uhubctl` without arguments shows location and ports of
those it finds; the rig takes both from there.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from hil.power import PowerError
from hil.power.outlet import OutletPower, Resolve, Seconds
from hil.power.tool import failed, run_tool

# As uhubctl prints a port: `  Port 2: 0103 power enable connect [10c4:ea60 Silicon Labs CP2102 0001]`.
_PORT = re.compile(r"^\s*Port (\d+): [0-9a-fA-F]{4}\b(.*)$", re.MULTILINE)

_UDEV_RULE = 'SUBSYSTEM=="usb", DRIVER=="usb", MODE="0664", GROUP="plugdev"'


class UhubctlPower(OutletPower):
    """Port `port` of the hub at `location` ('1-1.4', as uhubctl prints it). `program`: where uhubctl is."""

    kind: Literal["uhubctl"] = "uhubctl"
    location: str
    port: Annotated[int, Field(ge=1, le=32)]
    timeout: Seconds = 15.0
    program: str = "uhubctl"

    @property
    def identity(self) -> str:
        return f"uhubctl {self.location} port {self.port}"

    def outlet(self, resolve: Resolve) -> UhubctlOutlet:
        return UhubctlOutlet(self)


class UhubctlOutlet:
    """One port of a hub."""

    def __init__(self, config: UhubctlPower) -> None:
        self._config = config

    def set(self, on: bool) -> None:
        # -r: the kernel switches a port on again as it notices that the device is gone; repeating settles that.
        self._uhubctl(*(("-a", "on") if on else ("-a", "off", "-r", "3")))

    def state(self) -> bool | None:
        # After an action uhubctl prints the port twice, before and after; without one, once. A USB 3 hub shows as two.
        port = self._config.port
        lines = [flags for number, flags in _PORT.findall(self._uhubctl()) if int(number) == port]
        if not lines:
            raise self._error(f"uhubctl shows no port {port} there; `uhubctl` shows which there are")
        return any(re.search(r"\bpower\b", flags) for flags in lines)

    def close(self) -> None:
        pass

    def _uhubctl(self, *action: str) -> str:
        config = self._config
        command = [config.program, "-l", config.location, "-p", str(config.port), *action]
        done = run_tool(
            command,
            timeout=config.timeout,
            install="install it (`apt install uhubctl`), or name another kind of switch",
            stuck="unplug the hub and plug it in again",
        )
        said = done.output + done.errors
        if "ermission" in said:
            raise self._error(f"no permission to use the hub; a udev rule gives it: {_UDEV_RULE}")
        if "No compatible devices" in said:
            raise self._error(
                "there is no hub that can switch its ports; `uhubctl` lists those that can; most hubs cannot, whatever "
                "their box says"
            )
        if done.code != 0:
            raise failed(command, done)
        return done.output

    def _error(self, what: str) -> PowerError:
        return PowerError(f"hub {self._config.location} port {self._config.port}: {what}")
