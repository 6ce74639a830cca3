"""A device with Tasmota over HTTP.

Tasmota, 'Commands', with Web requests: `GET /cm?cmnd=Power1%20ON` answers {"POWER1":"ON"}; a device with one relay says
POWER without a number (SetOption26). The password of the web user ('WebPassword') is shown by Basic, which Tasmota
prefers to the parameters `user` and `password` of the address; without it the answer is {"WARNING": ...} or HTTP 401.

A number that the device does not have must not switch another relay: Tasmota's CmndPower answers nothing of it, older
ones took relay 1. So relay 2 and above are asked for before they are switched, and an answer counts only if it names
the relay.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field

from hil.power import PowerError
from hil.power.outlet import Resolve
from hil.power.web import Web
from hil.power.web_relay import WebRelayPower


class TasmotaPower(WebRelayPower):
    """Relay `channel` (from 1) of the device at `host`."""

    kind: Literal["tasmota"] = "tasmota"
    channel: Annotated[int, Field(ge=1, le=32)] = 1
    user: str = "admin"

    @property
    def identity(self) -> str:
        return self.relay(self.channel)

    def outlet(self, resolve: Resolve) -> TasmotaOutlet:
        return TasmotaOutlet(self.web("Tasmota", self.user), self.channel)


class TasmotaOutlet:
    """One relay."""

    def __init__(self, web: Web, channel: int) -> None:
        self._web = web
        self._channel = channel

    def set(self, on: bool) -> None:
        if self._channel > 1:
            self.state()
        self._power(" ON" if on else " OFF")

    def state(self) -> bool | None:
        return self._power("")

    def close(self) -> None:
        pass

    def _power(self, order: str) -> bool:
        status, said = self._web.ask("GET", f"/cm?cmnd={quote(f'Power{self._channel}{order}')}")
        if isinstance(said, dict) and "WARNING" in said:
            raise self._web.error("refuses the password, or wants one; correct password in the rig")
        state = relay_state(said, self._channel) if status == 200 else None
        if state is None:
            raise no_relay(self._web.error, self._channel, said)
        return state


def relay_state(said: Any, channel: int) -> bool | None:
    """The state of relay `channel` in a Tasmota's answer; None if it tells nothing of that relay."""
    names = (f"POWER{channel}", "POWER") if channel == 1 else (f"POWER{channel}",)
    found = [said[name] for name in names if name in said] if isinstance(said, dict) else []
    return {"ON": True, "OFF": False}.get(str(found[0]).upper()) if found else None


def no_relay(error: Any, channel: int, said: Any) -> PowerError:
    """The error for an answer that tells nothing of relay `channel`."""
    made: PowerError = error(f"says {str(said)[:80]} of relay {channel}: it has no such relay; channels count from 1")
    return made
