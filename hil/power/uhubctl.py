"""A USB hub that switches its ports, worked by uhubctl as a process of its own.

Which hubs can: https://github.com/mvp/uhubctl has the list. `uhubctl` without arguments shows location and ports of
those it finds; the rig takes both from there.
"""

from __future__ import annotations

import re

from hil.power import PowerError, check, record
from hil.process import run
from hil.timeline import Timeline

# As uhubctl prints a port: `  Port 2: 0103 power enable connect [10c4:ea60 Silicon Labs CP2102 0001]`.
_PORT = re.compile(r"^\s*Port (\d+): [0-9a-fA-F]{4}\b(.*)$", re.MULTILINE)

_UDEV_RULE = 'SUBSYSTEM=="usb", DRIVER=="usb", MODE="0664", GROUP="plugdev"'


class UhubctlSwitch:
    """Port `port` of the hub at `location` ('1-1.4', as uhubctl prints it)."""

    kind = "uhubctl"
    can_cut = True

    def __init__(
        self,
        location: str,
        port: int,
        *,
        timeout: float = 15.0,
        board: str,
        timeline: Timeline | None = None,
        program: str = "uhubctl",
    ) -> None:
        self._location = location
        self._port = port
        self._timeout = timeout
        self._board = board
        self._timeline = timeline
        self._program = program

    def on(self) -> None:
        record(self._timeline, "on", self._board, self.kind)
        self._uhubctl("-a", "on")
        check(self, self._board, True)

    def off(self) -> None:
        # -r: the kernel switches a port on again as it notices that the device is gone; repeating settles that.
        self._uhubctl("-a", "off", "-r", "3")
        check(self, self._board, False)
        record(self._timeline, "off", self._board, self.kind)

    def is_on(self) -> bool | None:
        # After an action uhubctl prints the port twice, before and after; without one, once. A USB 3 hub shows as two.
        lines = [flags for number, flags in _PORT.findall(self._uhubctl()) if int(number) == self._port]
        if not lines:
            raise self._error(f"uhubctl shows no port {self._port} there", "`uhubctl` shows which there are")
        return any(re.search(r"\bpower\b", flags) for flags in lines)

    def close(self) -> None:
        pass

    def _uhubctl(self, *action: str) -> str:
        command = [self._program, "-l", self._location, "-p", str(self._port), *action]
        try:
            done = run(command, timeout=self._timeout)
        except FileNotFoundError:
            raise self._error(
                f"{self._program} is not installed",
                "install it (`apt install uhubctl`), or name another kind of switch",
            ) from None
        if done.ended != "exit":
            raise self._error(
                f"`{' '.join(command)}` was not done after {self._timeout:g} s", "unplug the hub and plug it in again"
            )
        said = done.output + done.errors
        if "Permission" in said or "permission" in said:
            raise self._error("no permission to use the hub", f"a udev rule gives it: {_UDEV_RULE}")
        if "No compatible devices" in said:
            raise self._error(
                "there is no hub that can switch its ports",
                "`uhubctl` lists those that can; most hubs cannot, whatever their box says",
            )
        if done.code != 0:
            raise self._error(f"`{' '.join(command)}` exited with {done.code}: {done.last_words}", "run it by hand")
        return done.output

    def _error(self, what: str, cure: str) -> PowerError:
        return PowerError(f"power of {self._board}: hub {self._location} port {self._port}: {what}; {cure}")
