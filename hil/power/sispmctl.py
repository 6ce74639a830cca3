"""A Gembird SiS-PM or mSiS-PM socket strip on USB, worked by sispmctl as a process of its own.

sispmctl(1), https://sispmctl.sourceforge.net: `-o`, `-f` and `-g N` switch an outlet on, off, or tell its state; `-q`
leaves all but the answer (`on` or `off`) away; `-D` picks a strip by its serial number. Version 3.1 of Debian without
a strip says 'No GEMBIRD SiS-PM found' and exits with 1 (tried).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hil.power import PowerError
from hil.power.outlet import OutletPower, Resolve, Seconds
from hil.power.tool import failed, run_tool


class SispmctlPower(OutletPower):
    """Socket `socket` (from 1) of the strip with this `serial` (`sispmctl -s`), or of the only one."""

    kind: Literal["sispmctl"] = "sispmctl"
    socket: Annotated[int, Field(ge=1, le=6)]
    serial: str | None = None
    timeout: Seconds = 10.0
    program: str = "sispmctl"

    @property
    def shortest(self) -> float | None:
        """A process for each change, and a mains relay; not measured on hardware."""
        return 0.2

    @property
    def identity(self) -> str:
        return f"sispmctl {self.serial or 'the only one'} socket {self.socket}"

    def outlet(self, resolve: Resolve) -> SispmctlOutlet:
        return SispmctlOutlet(self)


class SispmctlOutlet:
    """One socket of a strip."""

    def __init__(self, config: SispmctlPower) -> None:
        self._config = config

    def set(self, on: bool) -> None:
        self._sispmctl("-o" if on else "-f")

    def state(self) -> bool | None:
        words = self._sispmctl("-g").split()
        if words[-1:] not in (["on"], ["off"]):
            raise PowerError(
                f"sispmctl says {' '.join(words)[:80]!r} of socket {self._config.socket}, expected on or off; "
                "`sispmctl -g all` shows which there are"
            )
        return words[-1] == "on"

    def close(self) -> None:
        pass

    def _sispmctl(self, action: str) -> str:
        config = self._config
        command = [config.program, *(["-D", config.serial] if config.serial else []), "-q", action, str(config.socket)]
        done = run_tool(
            command,
            timeout=config.timeout,
            install="install it (`apt install sispmctl`)",
            stuck="unplug the strip's USB and plug it in again",
        )
        said = done.output + done.errors
        if "No GEMBIRD" in said:
            raise PowerError("sispmctl finds no SiS-PM; plug it in, or give this user the device by a udev rule")
        if done.code != 0:
            raise failed(command, done)
        return done.output
