"""Whatever Home Assistant can switch, over its REST API.

Home Assistant, 'REST API': `POST /api/services/DOMAIN/turn_on` with {"entity_id": ...}, `GET /api/states/ENTITY` tells
{"state": "on"}; a long-lived access token as Bearer. Calling a service for an entity that does not exist is answered
with 200, so it is the state that counts.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hil.power.outlet import OutletPower, Resolve, Seconds
from hil.power.web import Web
from hil.secret import Secret


class HomeAssistantPower(OutletPower):
    """The entity `entity` ('switch.bench_3', 'light.', 'input_boolean.') of the Home Assistant at `url`.

    `patience_s`: seconds until its state must have followed: a radio switch behind it takes its time.
    """

    kind: Literal["home-assistant"] = "home-assistant"
    url: Annotated[str, Field(pattern=r"^https?://[^@\s]+$")]
    entity: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z0-9_]+$")]
    token: Secret
    timeout: Seconds = 10.0
    patience_s: Seconds = 10.0

    @property
    def patience(self) -> float:
        """Seconds."""
        return self.patience_s

    @property
    def identity(self) -> str:
        return f"home-assistant {self.url.rstrip('/')} {self.entity}"

    def outlet(self, resolve: Resolve) -> HomeAssistantOutlet:
        token = self.token.value("power.token")
        headers = {"Authorization": f"Bearer {token}"}
        return HomeAssistantOutlet(Web("Home Assistant", self.url, timeout=self.timeout, headers=headers), self.entity)


class HomeAssistantOutlet:
    """One entity."""

    def __init__(self, web: Web, entity: str) -> None:
        self._web = web
        self._entity = entity

    def set(self, on: bool) -> None:
        domain = self._entity.partition(".")[0]
        body = {"entity_id": self._entity}
        status, _ = self._web.ask("POST", f"/api/services/{domain}/turn_{'on' if on else 'off'}", body)
        if status != 200:
            raise self._web.error(
                f"refuses {domain}.turn_{'on' if on else 'off'} (HTTP {status}); is {self._entity} something that "
                "can be switched?"
            )

    def state(self) -> bool | None:
        status, said = self._web.ask("GET", f"/api/states/{self._entity}")
        if status == 404:
            raise self._web.error(f"has no entity {self._entity}; its developer tools list the states")
        state = said.get("state") if isinstance(said, dict) else None
        if state == "unavailable":
            raise self._web.error(f"says that {self._entity} is unavailable; is the device behind it on?")
        if status != 200 or state not in ("on", "off", "unknown"):
            raise self._web.error(f"says {str(state)[:40]!r} (HTTP {status}) of {self._entity}, expected on or off")
        return None if state == "unknown" else state == "on"

    def close(self) -> None:
        pass
