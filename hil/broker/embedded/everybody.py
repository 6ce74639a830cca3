"""amqtt's door, wide open: it listens on loopback alone."""

from __future__ import annotations

from amqtt.plugins.base import BaseAuthPlugin  # type: ignore[import-untyped,import-not-found,unused-ignore]
from amqtt.session import Session  # type: ignore[import-untyped,import-not-found,unused-ignore]


class Everybody(BaseAuthPlugin):  # type: ignore[misc]
    """Lets everybody in.

    amqtt's own plugin for this marks the session as anonymous, and the broker then forgets it, persistent or not.
    """

    async def authenticate(self, *, session: Session) -> bool | None:
        return True
