"""Everything that labgrid can switch, through its own client: `labgrid-client -p PLACE power on|off|get`.

labgrid stays in an environment of its own, never in this one: it brings a fork of pyserial that overwrites the one
that esptool needs. `program` is the path of the client in that environment. The place has to be acquired, which this
switch leaves to whoever runs the bench: labgrid's lock outlives a dead client.
"""

from __future__ import annotations

import os
import re
from typing import Annotated, Literal

from pydantic import Field

from hil.power import PowerError
from hil.power.outlet import OutletPower, Resolve, Seconds
from hil.power.tool import failed, run_tool

# As labgrid-client 26.0 prints it: `power for place desk-1 is on`, with a name: `power NAME for place desk-1 is on`.
_STATE = re.compile(r"^power.* is (on|off)\s*$", re.MULTILINE)


class LabgridPower(OutletPower):
    """The power of the place `place`. `coordinator`: 'host:port' (labgrid's LG_COORDINATOR without it).

    `name`: which of the place's power resources, where it has several.
    """

    kind: Literal["labgrid"] = "labgrid"
    place: Annotated[str, Field(min_length=1)]
    program: str
    coordinator: str | None = None
    name: str | None = None
    timeout: Seconds = 30.0

    @property
    def identity(self) -> str:
        return (
            f"labgrid {self.coordinator or os.environ.get('LG_COORDINATOR', '')} {self.place} {self.name or ''}".strip()
        )

    def outlet(self, resolve: Resolve) -> LabgridOutlet:
        return LabgridOutlet(self, str(resolve(self.program)) if "/" in self.program else self.program)


class LabgridOutlet:
    """The power of one place."""

    def __init__(self, config: LabgridPower, program: str) -> None:
        self._config = config
        self._program = program

    def set(self, on: bool) -> None:
        self._client("on" if on else "off")

    def state(self) -> bool | None:
        output = self._client("get")
        found = _STATE.search(output)
        if found is None:
            raise PowerError(f"labgrid-client says {output.strip()[:120]!r}, expected 'power ... is on' or 'is off'")
        return found[1] == "on"

    def close(self) -> None:
        pass

    def _client(self, action: str) -> str:
        config = self._config
        command = [self._program, "-p", config.place, "power", action]
        command += ["--name", config.name] if config.name else []
        env = dict(os.environ) | ({"LG_COORDINATOR": config.coordinator} if config.coordinator else {})
        # The client's Python must not see this environment's packages.
        for variable in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
            env.pop(variable, None)
        done = run_tool(
            command,
            timeout=config.timeout,
            install="make labgrid an environment of its own (docs/power.md) and give its labgrid-client as program",
            stuck="is the coordinator reached, and the exporter's switch?",
            env=env,
        )
        if done.code != 0:
            raise self._why(done.errors + done.output) or failed(command, done)
        return done.output

    def _why(self, said: str) -> PowerError | None:
        place = self._config.place
        if re.search(r"acquired (by|on) ", said):
            return PowerError(f"labgrid place {place} is held by others; `labgrid-client -p {place} show` says by whom")
        if "not acquired" in said:
            return PowerError(
                f"labgrid place {place} is not acquired; `labgrid-client -p {place} acquire`, and release it afterwards"
            )
        if "matches nothing" in said:
            return PowerError(f"labgrid knows no place {place}; `labgrid-client places` lists them")
        if "no compatible resource" in said:
            return PowerError(f"labgrid place {place} has no such power resource; `labgrid-client -p {place} show`")
        if "Could not connect to coordinator" in said:
            return PowerError("labgrid's coordinator is not reached; start it, or correct coordinator in the rig")
        return None
