"""SNTP: asks until it knows the time, then again from time to time."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

from hil.virtual.firmware.backoff import Backoff
from hil.virtual.firmware.network import Network, NetworkError
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.system import System
from hil.wire import sntp

TAG = "sntp"

PLAUSIBLE = 1_577_836_800
"""2020-01-01, in seconds since 1970: a clock before that was never set. ESP-IDF's examples test in the same way."""


def utc(seconds: float) -> str:
    """A time as people read it: 2026-03-01T12:00:00Z."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class TimeSync:
    """Keeps the chip's clock. `known` is set once the clock can be believed: set by SNTP, or kept over a reset."""

    def __init__(self, system: System, network: Network, settings: Settings) -> None:
        self._system = system
        self._network = network
        self._settings = settings
        self._backoff = Backoff(settings.time_retry, settings.time_retry_max)
        self._doubted = asyncio.Event()
        self.known = asyncio.Event()
        if system.clock.now() >= PLAUSIBLE:
            system.log("I", TAG, f"the clock was kept over the reset: {utc(system.clock.now())}")
            self.known.set()

    async def run(self) -> None:
        """Ask, set the clock, ask again after the period; never returns."""
        if not self._settings.time_host:
            self._system.log("E", TAG, "setting time_host is missing in NVS: the time stays unknown")
            return
        while True:
            await self._network.joined.wait()
            if await self._ask():
                if self._system.build.has("asks-once"):
                    return
                self._backoff.reset()
                await self._period()
            else:
                gap = self._backoff.next()
                self._system.log("I", TAG, f"asking again in {gap} ms")
                await asyncio.sleep(gap / 1000)

    def doubt(self) -> None:
        """The clock may be wrong, whatever the server has said: ask again at once, if not asking already."""
        self._system.log("W", TAG, "certificates of wrong dates: is it the clock?")
        self._doubted.set()

    async def _period(self) -> None:
        self._doubted.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._doubted.wait(), self._settings.time_period)

    async def _ask(self) -> bool:
        settings, log = self._settings, self._system.log
        log("I", TAG, f"asking {settings.time_host}:{settings.time_port}")
        nonce, packet = sntp.request()
        sent = self._system.clock.now()

        def judge(data: bytes) -> sntp.Response | None:
            try:
                return sntp.parse_response(data, nonce)
            except (sntp.KissOfDeath, sntp.NotSynchronised):
                raise
            except sntp.SntpError as error:
                log("W", TAG, str(error))
                return None

        try:
            answer = await self._network.ask(
                settings.time_host, settings.time_port, packet, settings.time_answer / 1000, judge
            )
        except NetworkError as error:
            log("W", TAG, f"no answer ({error.words})")
            return False
        except sntp.KissOfDeath as refusal:
            log("W", TAG, str(refusal))
            if self._system.build.has("kod-hammer"):
                self._backoff.reset()
            elif refusal.code in ("DENY", "RSTR"):
                # One is to stop asking. The only server that there is may change its mind, so: as seldom as ever.
                self._backoff.longest()
            return False
        except sntp.NotSynchronised as error:
            log("W", TAG, str(error))
            return False
        arrived = self._system.clock.now()
        offset = answer.offset(sent, arrived)
        self._system.set_clock(arrived + offset)
        log("I", TAG, f"time set to {utc(arrived + offset)}, changed by {offset:.3f} s")
        self.known.set()
        return True
