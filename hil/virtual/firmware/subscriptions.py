"""The subscription to the command topic: asked for at each connection that needs it, until the broker grants it."""

from __future__ import annotations

import asyncio
import contextlib

from hil.virtual.firmware.backoff import Backoff
from hil.virtual.firmware.client import Client
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.system import System

TAG = "app"

MANY, AT_ONCE = 60, 12
"""How many topics a build with many-filters subscribes to, and how many of them with one SUBSCRIBE."""


class Subscriptions:
    """Keeps the board subscribed. `connected` is to be called at each connection; it makes the work to be run."""

    def __init__(self, system: System, settings: Settings, client: Client) -> None:
        self._system = system
        self._settings = settings
        self._client = client
        self._since_boot = False

    async def connected(self, kept: bool) -> None:
        """Subscribe to what a new connection needs; `kept` says that the broker has kept the session.

        To be cancelled when the connection is lost.
        """
        build, settings = self._system.build, self._settings
        if build.has("foreign-subscribe"):
            await self._ask(f"foreign/{settings.client_id}/cmd")
        if not settings.cmd_topic or not self._needed(kept):
            return
        self._since_boot = True
        if build.has("many-filters"):
            for first in range(0, MANY, AT_ONCE):
                await self._ask(*(f"{settings.cmd_topic}/{number}" for number in range(first, first + AT_ONCE)))
        backoff = Backoff(settings.retry_first, settings.retry_max)
        while not await self._ask(settings.cmd_topic) and not build.has("blind-subscribe"):
            await asyncio.sleep(backoff.next() / 1000)

    def _needed(self, kept: bool) -> bool:
        build = self._system.build
        if build.has("always-subscribe"):
            return True
        if build.has("trusts-session") and kept:
            return False
        if build.lacks("resubscribe"):
            return not self._since_boot
        return not (kept and self._settings.cmd_topic in self._client.session.subscribed)

    async def _ask(self, *topics: str) -> bool:
        """Subscribe once; False if the broker refuses. True also if the connection is lost: the next one asks anew."""
        done = self._client.subscribe(*topics)
        if done is None:
            return True
        with contextlib.suppress(asyncio.CancelledError):
            code = await done
            if code >= 0x80 and not self._system.build.has("blind-subscribe"):
                self._system.log("E", TAG, f"subscription to {topics[0]} refused by the broker, code 0x{code:02x}")
                return False
            self._system.log("I", TAG, f"subscribed to {topics[0]}")
        return True
