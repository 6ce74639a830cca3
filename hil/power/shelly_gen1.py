"""A Shelly of the first generation (Plug S, 1, 1PM, 2.5, 4Pro) over HTTP.

Shelly, 'Gen1 Device API', /relay/{index}: `GET /relay/0?turn=on` answers the relay's status, `GET /relay/0` tells it:
{"ison": true, "overpower": false, ...}. Login restricted: Basic.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hil.power.outlet import Resolve
from hil.power.web import Web
from hil.power.web_relay import WebRelayPower

#: Fields of a relay's status that say why it will not stay on.
_TROUBLE = ("overpower", "overtemperature", "overload")


class ShellyGen1Power(WebRelayPower):
    """Relay `channel` (from 0) of the device at `host`."""

    kind: Literal["shelly-gen1"] = "shelly-gen1"
    channel: Annotated[int, Field(ge=0, le=7)] = 0
    user: str = "admin"

    @property
    def identity(self) -> str:
        return self.relay(self.channel)

    def outlet(self, resolve: Resolve) -> ShellyGen1Outlet:
        return ShellyGen1Outlet(self.web("Shelly", self.user), self.channel)


class ShellyGen1Outlet:
    """One relay."""

    def __init__(self, web: Web, channel: int) -> None:
        self._web = web
        self._channel = channel

    def set(self, on: bool) -> None:
        self._relay(f"?turn={'on' if on else 'off'}")

    def state(self) -> bool | None:
        said = self._relay("")
        trouble = [name for name in _TROUBLE if said.get(name) is True]
        if trouble and not said["ison"]:
            raise self._web.error(
                f"relay {self._channel} has switched itself off ({', '.join(trouble)}); take load off, or let it cool"
            )
        return bool(said["ison"])

    def close(self) -> None:
        pass

    def _relay(self, order: str) -> dict[str, Any]:
        status, said = self._web.ask("GET", f"/relay/{self._channel}{order}")
        if status == 404:
            raise self._web.error(
                f"has no relay {self._channel} (HTTP 404); channels count from 0, and from the second generation on "
                "the kind is 'shelly-gen2'"
            )
        if status != 200 or not isinstance(said, dict) or not isinstance(said.get("ison"), bool):
            raise self._web.error(f"answered HTTP {status} without a relay's status; is it a Shelly of generation 1?")
        return said
