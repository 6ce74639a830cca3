"""A Yepkit YKUSH, YKUSH3 or YKUSH XS, worked by ykushcmd as a process of its own.

https://github.com/Yepkit/ykush: `ykushcmd [ykush3|ykushxs] [-s SERIAL] -u|-d|-g PORT` (up, down, get); `-g` prints
`Downstream port N is ON` or `OFF`. Where no board answers, its source goes on to print a port 0 that is off and exits
with 0: a state counts only with the port's own number. The XS has one port, and takes no number.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from hil.power import PowerError
from hil.power.outlet import OutletPower, Resolve, Seconds
from hil.power.tool import failed, run_tool

_STATE = re.compile(r"[Dd]ownstream port(?: (\d+))? is (ON|OFF)")


class YkushPower(OutletPower):
    """Downstream port `port` of the board with this `serial` (`ykushcmd -l`), or of the only one."""

    kind: Literal["ykush"] = "ykush"
    model: Literal["ykush", "ykush3", "ykushxs"] = "ykush"
    serial: str | None = None
    port: Annotated[int, Field(ge=1, le=3)] = 1
    timeout: Seconds = 10.0
    program: str = "ykushcmd"

    @property
    def shortest(self) -> float | None:
        """A process for each change of a solid-state switch; not measured on hardware."""
        return 0.1

    @property
    def identity(self) -> str:
        return f"{self.model} {self.serial or 'the only one'} port {self.port}"

    def outlet(self, resolve: Resolve) -> YkushOutlet:
        return YkushOutlet(self)


class YkushOutlet:
    """One downstream port."""

    def __init__(self, config: YkushPower) -> None:
        self._config = config

    def set(self, on: bool) -> None:
        self._ykushcmd("-u" if on else "-d")

    def state(self) -> bool | None:
        output = self._ykushcmd("-g")
        found = _STATE.search(output)
        if found is None or (found[1] is not None and int(found[1]) != self._config.port):
            board = f"board {self._config.serial}" if self._config.serial else "board"
            raise PowerError(
                f"ykushcmd does not tell the state of port {self._config.port}: no {self._config.model} {board} "
                "answers, or it has no such port; `ykushcmd -l` lists what there is"
            )
        return found[2] == "ON"

    def close(self) -> None:
        pass

    def _ykushcmd(self, action: str) -> str:
        config = self._config
        command = [config.program]
        command += [config.model] if config.model != "ykush" else []
        command += ["-s", config.serial] if config.serial else []
        command += [action] if config.model == "ykushxs" else [action, str(config.port)]
        done = run_tool(
            command,
            timeout=config.timeout,
            install="build it from https://github.com/Yepkit/ykush, or `apt install ykush-control`",
            stuck="unplug the hub and plug it in again",
        )
        said = done.output + done.errors
        if "Unable to open device" in said or "ermission" in said:
            raise PowerError("ykushcmd cannot open the board; is it plugged in, and does a udev rule let you use it?")
        if done.code != 0:
            raise failed(command, done)
        return done.output
