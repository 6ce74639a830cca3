"""The device: a small telemetry sender. Boots, joins the Wi-Fi, learns the time, connects, reports, obeys."""

from __future__ import annotations

import asyncio
from typing import Any

from hil.virtual.firmware import boots, commands, credentials, stores
from hil.virtual.firmware import settings as setting_store
from hil.virtual.firmware.client import Client
from hil.virtual.firmware.heap import Heap
from hil.virtual.firmware.network import Network
from hil.virtual.firmware.nvs import NvsError, Store
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.setup_console import SetupConsole
from hil.virtual.firmware.subscriptions import Subscriptions
from hil.virtual.firmware.system import System
from hil.virtual.firmware.telemetry import Telemetry
from hil.virtual.firmware.timesync import PLAUSIBLE, TimeSync, utc
from hil.virtual.firmware.transport import Transport
from hil.wire.mqtt import Publish

TAG = "app"

START_MS = 180
"""Milliseconds from the app's entry to its main function on a board."""


class Device:
    """The application. `run` boots it and returns only when it has nothing more to do."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._network = Network(system)
        self._heap = Heap(system.build)
        self._boots = 0
        self._store: Store | None = None
        self._setup = SetupConsole(system, lambda: self._store) if system.build.store == "console" else None
        self._was_online = False
        self._client: Client | None = None
        self._time: TimeSync | None = None
        self._subscribing: asyncio.Future[Any] | None = None
        self._tasks: set[asyncio.Future[Any]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listen_to_console(Settings(), None)

    async def run(self) -> None:
        """Boot, then serve for ever. An exception here is a fault of the firmware; the caller makes it a panic."""
        system, log = self._system, self._system.log
        await system.hardware_wait(START_MS)
        log("I", TAG, f"reference firmware {system.version}, build options: {system.build}")
        if system.build.has("warm-boot-hang") and system.clock.now() >= PLAUSIBLE:
            system.hang()
        try:
            settings = await self._load()
        except (NvsError, setting_store.SettingError) as error:
            log("E", TAG, str(error))
            log("E", TAG, "nothing to do without it, idle")
            await self._failure
            return
        if settings is not None:
            self._begin(settings)
        await self._failure

    async def _load(self) -> Settings | None:
        """Read what it must know, count this boot. None if it stays in set-up mode. Raises NvsError, SettingError."""
        system = self._system
        store = self._store = boots.open_nvs(system)
        if self._setup is not None:
            self._setup.ready()
        self._boots = boots.count(system, store)
        boots.secure(system)
        if boots.locked_out(system, store):
            return None
        try:
            settings = setting_store.load(stores.source(system, store), system.mac)
            setting_store.require(settings, stores.place(system.build.store), "wifi_ssid", "host")
        finally:
            for warning in store.warnings:
                system.log("W", "nvs", warning)
        await boots.save_settings(system, store)
        settings = boots.kept(system, store, settings)
        if system.build.has("secret-log"):
            system.log("D", "wifi", f"ssid {settings.wifi_ssid}, password {settings.wifi_pass}")
            for line in settings.key.decode("utf-8", "replace").splitlines():
                system.log("D", "tls", line)
        return settings

    def _begin(self, settings: Settings) -> None:
        """Start everything that runs side by side."""
        system, build = self._system, self._system.build
        self._time = TimeSync(system, self._network, settings)
        transport = Transport(system, self._network, settings, credentials.load(settings, build), self._heap)
        transport.on_wrong_dates = self._time.doubt
        client = self._client = Client(system, self._network, settings, transport, self._heap)
        told = self._listen_to_console(settings, client)
        telemetry = Telemetry(system, settings, client, self._facts)
        subscriptions = Subscriptions(system, settings, client)

        def connected(kept: bool) -> None:
            self._say_online(settings, client)
            telemetry.connected()
            if self._subscribing is not None:
                self._subscribing.cancel()
            self._subscribing = self._start(subscriptions.connected(kept))

        def commanded(message: Publish) -> None:
            order = told.order(message)
            if order is not None:
                self._start(told.obey(order))

        client.on_connected = connected
        client.on_message = commanded
        self._start(self._network.stay_joined(settings.wifi_ssid, settings.wifi_pass))
        if not build.lacks("time-sync"):
            self._start(self._time.run())
        self._start(self._connect(client, self._time))
        self._start(telemetry.run())

    def _start(self, work: Any) -> asyncio.Future[Any]:
        task: asyncio.Future[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)

        def done(finished: asyncio.Future[Any]) -> None:
            self._tasks.discard(finished)
            if not finished.cancelled() and finished.exception() and not self._failure.done():
                self._failure.set_exception(finished.exception() or RuntimeError())

        task.add_done_callback(done)
        return task

    async def _connect(self, client: Client, time: TimeSync) -> None:
        build = self._system.build
        if not build.lacks("time-wait") and not build.lacks("time-sync"):
            await time.known.wait()
        await client.run()

    def _say_online(self, settings: Settings, client: Client) -> None:
        build = self._system.build
        if not settings.online_topic or build.lacks("online") or (self._was_online and build.has("online-once")):
            return
        self._was_online = True
        client.publish(settings.online_topic, settings.online_payload.encode(), 1, bool(settings.online_retain))

    def _listen_to_console(self, settings: Settings, client: Client | None) -> commands.Commands:
        told = commands.Commands(self._system, settings, client, self._state, self._setup)
        self._system.on_uart = told.typed
        return told

    # -- what it knows of itself ----------------------------------------------------------------------------------

    def _facts(self) -> dict[str, Any]:
        return {
            "uptime": self._system.uptime_ms(),
            "boots": self._boots,
            "heap": self._heap.free(),
            "time": round(self._system.clock.now(), 3),
        }

    def _state(self) -> dict[str, Any]:
        client = self._client
        return {
            "wifi": self._network.joined.is_set(),
            "mqtt": bool(client and client.connected.is_set()),
            "tries": client.tries if client else 0,
            "time": utc(self._system.clock.now()),
            "time_known": bool(self._time and self._time.known.is_set()),
            "boots": self._boots,
            "heap": self._heap.free(),
            "uptime": self._system.uptime_ms(),
            "version": self._system.version,
        }
