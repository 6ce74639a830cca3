"""Telemetry: a small JSON message from time to time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from hil.virtual.firmware.client import Client
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.system import System

HANG_AFTER = 3
"""Messages that a firmware built with silent-hang sends before it hangs."""

BIG = 600_000
"""Bytes of what a build with big-packet publishes at once; more than any cloud's broker takes."""


class Telemetry:
    """Sends `facts()` with a number of its own, `seq`, that counts from 1 since the boot."""

    def __init__(self, system: System, settings: Settings, client: Client, facts: Callable[[], dict[str, Any]]) -> None:
        self._system = system
        self._settings = settings
        self._client = client
        self._facts = facts
        self._sequence = 0

    def connected(self) -> None:
        """A new connection: two bad builds publish something else first."""
        settings, build = self._settings, self._system.build
        if build.has("foreign-publish"):
            self._client.publish(f"foreign/{settings.client_id}/data", b"{}", 1)
        if build.has("big-packet"):
            self._client.publish(f"{settings.tele_topic}/log", b"x" * BIG, 1)

    async def run(self) -> None:
        """Send for ever, while there is a connection."""
        settings, client, build = self._settings, self._client, self._system.build
        if build.lacks("telemetry"):
            return
        while settings.tele_topic:
            await client.connected.wait()
            self._sequence += 1
            message = json.dumps({"seq": self._sequence, **self._facts()}).encode()
            done = client.publish(settings.tele_topic, message, 2 if build.has("qos2-publish") else settings.tele_qos)
            if build.has("silent-hang") and self._sequence >= HANG_AFTER:
                await client.delivered(done)
                self._system.hang()
            await asyncio.sleep(settings.tele_period / 1000)
