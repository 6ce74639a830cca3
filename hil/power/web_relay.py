"""The keys that relays on a small device with a web server of its own share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hil.power.outlet import OutletPower, Port, Seconds
from hil.power.web import Web
from hil.secret import Secret


class WebRelayPower(OutletPower):
    """A device at `host`. `timeout`: seconds for one request."""

    host: Annotated[str, Field(min_length=1)]
    port: Port = 80
    password: Secret | None = None
    timeout: Seconds = 10.0

    @property
    def patience(self) -> float:
        """Seconds: it answers before its relay has moved."""
        return 2.0

    def relay(self, channel: int) -> str:
        """What `identity` says of one of its relays."""
        return f"relay of {self.host.lower()}:{self.port} channel {channel}"

    def web(self, what: str, user: str, scheme: Literal["basic", "digest"] = "basic") -> Web:
        """The device, called `what` in errors. Raises MissingSecret."""
        password = self.password.value("power.password") if self.password else None
        url = f"http://{self.host}:{self.port}"
        return Web(what, url, timeout=self.timeout, user=user, password=password, scheme=scheme)
