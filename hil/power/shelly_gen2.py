"""A Shelly of the second generation or later (Plus, Pro, Mini, Gen3, Gen4) over HTTP.

Shelly, 'Gen2+ Device API', Switch and RPC Protocol: `POST /rpc` with {"id": 1, "method": "Switch.Set", "params": {"id":
0, "on": true}} answers {"id": 1, "result": {...}} or {"id": 1, "error": {"code": -105, "message": ...}};
`Switch.GetStatus` tells {"output": true, "errors": ["overpower"]}. Section Authentication: Digest with SHA-256, the
user is always 'admin'; before firmware 2.0.0 each request needs a challenge of its own, so each gets one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hil.power.outlet import Resolve
from hil.power.web import Web
from hil.power.web_relay import WebRelayPower


class ShellyGen2Power(WebRelayPower):
    """Switch `channel` (from 0) of the device at `host`."""

    kind: Literal["shelly-gen2"] = "shelly-gen2"
    channel: Annotated[int, Field(ge=0, le=15)] = 0

    @property
    def identity(self) -> str:
        return self.relay(self.channel)

    def outlet(self, resolve: Resolve) -> ShellyGen2Outlet:
        return ShellyGen2Outlet(self.web("Shelly", "admin", "digest"), self.channel)


class ShellyGen2Outlet:
    """One switch component."""

    def __init__(self, web: Web, channel: int) -> None:
        self._web = web
        self._channel = channel

    def set(self, on: bool) -> None:
        self._call("Switch.Set", on=on)

    def state(self) -> bool | None:
        said = self._call("Switch.GetStatus")
        if not isinstance(said.get("output"), bool):
            raise self._web.error("tells a switch's status without 'output'; is it a Shelly of generation 2 or later?")
        trouble = said.get("errors")
        if isinstance(trouble, list) and trouble and not said["output"]:
            raise self._web.error(
                f"switch {self._channel} has switched itself off ({', '.join(map(str, trouble))[:80]}); take load off, "
                "or let it cool"
            )
        return bool(said["output"])

    def close(self) -> None:
        pass

    def _call(self, method: str, **params: object) -> dict[str, Any]:
        frame = {"id": 1, "method": method, "params": {"id": self._channel, **params}}
        status, said = self._web.ask("POST", "/rpc", frame)
        if status == 404 and said is None:
            raise self._web.error("has no /rpc (HTTP 404); the first generation's kind is 'shelly-gen1'")
        error = said.get("error") if isinstance(said, dict) else None
        if isinstance(error, dict):
            code, message = error.get("code"), str(error.get("message"))[:120]
            # -105: invalid argument; 404: no handler, which is what a device without switches says.
            cure = "channels count from 0" if code in (-105, 404) else "see the device's own log"
            raise self._web.error(f"refuses {method} of switch {self._channel}: {message} ({code}); {cure}")
        result = said.get("result") if isinstance(said, dict) else None
        if status != 200 or not isinstance(result, dict):
            raise self._web.error(f"answered HTTP {status} without a result; is it a Shelly of generation 2 or later?")
        return result
