"""The device: a small telemetry sender. Boots, joins the Wi-Fi, learns the time, connects, reports, obeys.

Commands, on its command topic as JSON `{"id": 1, "do": "ping"}` (answered on its answer topic with the same id), or
as a line on the console:

| command      | what it does                                                                    |
|--------------|---------------------------------------------------------------------------------|
| ping         | answers (MQTT only)                                                             |
| status       | tells its state                                                                 |
| heap         | tells its free heap                                                             |
| restart      | esp_restart()                                                                   |
| disconnect   | sends DISCONNECT and stays away; for "ms" milliseconds if given, else until     |
|              | `connect` or a reset                                                            |
| connect      | connects again after disconnect (console only)                                  |
| panic        | crashes (console only)                                                          |
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from hil.virtual.firmware import credentials as credential_store
from hil.virtual.firmware import settings as setting_store
from hil.virtual.firmware.client import Client
from hil.virtual.firmware.heap import Heap
from hil.virtual.firmware.network import Network
from hil.virtual.firmware.nvs import NvsError, Store
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.system import System
from hil.virtual.firmware.timesync import PLAUSIBLE, TimeSync, utc
from hil.wire.mqtt import Publish

TAG = "app"

START_MS = 180
"""Milliseconds from the app's entry to its main function on a board."""

HANG_AFTER = 3
"""Telemetry messages that a firmware built with silent-hang sends before it hangs."""

ANSWER_SECONDS = 2.0
"""Seconds that a command's answer gets to reach the broker before the device restarts or disconnects."""

MAX_CONSOLE_LINE = 256

_CONSOLE = ("status", "heap", "restart", "disconnect", "connect", "panic")
_MQTT = ("ping", "status", "heap", "restart", "disconnect")


class Device:
    """The application. `run` boots it and returns only when it has nothing more to do."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._network = Network(system)
        self._heap = Heap(leaks=system.build.has("heap-leak"))
        self._settings = Settings()
        self._client: Client | None = None
        self._time: TimeSync | None = None
        self._boots = 0
        self._telemetry = 0
        self._line = bytearray()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        system.on_uart = self._typed

    async def run(self) -> None:
        """Boot, then serve for ever. An exception here is a fault of the firmware; the caller makes it a panic."""
        system, log = self._system, self._system.log
        await system.hardware_wait(START_MS)
        log("I", TAG, f"reference firmware {system.version}, build options: {system.build}")
        if system.build.has("warm-boot-hang") and system.clock.now() >= PLAUSIBLE:
            system.hang()
        try:
            self._load()
        except (NvsError, setting_store.SettingError) as error:
            log("E", TAG, str(error))
            log("E", TAG, "nothing to do without it, idle")
            await self._failure
            return
        settings = self._settings
        self._time = TimeSync(system, self._network, settings)
        self._client = Client(
            system, self._network, settings, credential_store.load(settings, system.build), self._heap
        )
        self._client.on_connected = self._connected
        self._client.on_message = self._commanded
        self._start(self._network.stay_joined(settings.wifi_ssid, settings.wifi_pass))
        if not system.build.lacks("time-sync"):
            self._start(self._time.run())
        self._start(self._connect())
        self._start(self._report())
        await self._failure

    def _load(self) -> None:
        """Read the NVS, count this boot. Raises NvsError, SettingError."""
        system = self._system
        if "nvs" not in system.partitions:
            raise NvsError('partition "nvs" is not in the partition table')
        offset, size = system.partitions["nvs"]
        store = Store(
            system.flash_read(offset, size),
            lambda at, data: system.flash_write(offset + at, data),
            lambda at, length: system.flash_erase(offset + at, length),
        )
        boots = store.get("device", "boots")
        self._boots = (boots if isinstance(boots, int) else 0) + 1
        store.set_u32("device", "boots", self._boots)
        system.log("I", TAG, f"boot {self._boots}, reset cause 0x{int(system.cause):x}")
        try:
            self._settings = setting_store.load(store.get, system.mac)
            setting_store.require(self._settings, "wifi_ssid", "host")
        finally:
            for warning in store.warnings:
                system.log("W", "nvs", warning)

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)

        def done(finished: asyncio.Future[Any]) -> None:
            self._tasks.discard(finished)
            if not finished.cancelled() and finished.exception() and not self._failure.done():
                self._failure.set_exception(finished.exception() or RuntimeError())

        task.add_done_callback(done)

    async def _connect(self) -> None:
        build = self._system.build
        if self._client is None or self._time is None:
            return
        if not build.lacks("time-wait") and not build.lacks("time-sync"):
            await self._time.known.wait()
        await self._client.run()

    # -- what it sends --------------------------------------------------------------------------------------------

    def _connected(self, kept: bool) -> None:
        settings, client, build = self._settings, self._client, self._system.build
        if client is None:
            return
        if build.has("foreign-subscribe"):
            self._start(self._subscribe(f"foreign/{settings.client_id}/cmd"))
        if settings.online_topic and not build.lacks("online"):
            client.publish(settings.online_topic, settings.online_payload.encode(), 1, bool(settings.online_retain))
        if build.has("foreign-publish"):
            client.publish(f"foreign/{settings.client_id}/data", b"{}", 1)
        if settings.cmd_topic and not (kept and settings.cmd_topic in client.session.subscribed):
            self._start(self._subscribe(settings.cmd_topic))

    async def _subscribe(self, topic: str) -> None:
        done = self._client.subscribe(topic) if self._client else None
        if done is None:
            return
        with contextlib.suppress(asyncio.CancelledError):
            code = await done
            if code >= 0x80:
                self._system.log("E", TAG, f"subscription to {topic} refused by the broker, code 0x{code:02x}")
            else:
                self._system.log("I", TAG, f"subscribed to {topic}")

    async def _report(self) -> None:
        settings, client = self._settings, self._client
        if self._system.build.lacks("telemetry"):
            return
        while client is not None and settings.tele_topic:
            await client.connected.wait()
            self._telemetry += 1
            facts = {
                "seq": self._telemetry,
                "uptime": self._system.uptime_ms(),
                "boots": self._boots,
                "heap": self._heap.free(),
                "time": round(self._system.clock.now(), 3),
            }
            done = client.publish(settings.tele_topic, json.dumps(facts).encode(), settings.tele_qos)
            if self._system.build.has("silent-hang") and self._telemetry >= HANG_AFTER:
                await self._delivered(done)
                self._system.hang()
            await asyncio.sleep(settings.tele_period / 1000)

    async def _delivered(self, done: asyncio.Future[int] | None) -> None:
        if done is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(done), ANSWER_SECONDS)

    # -- what it is told ------------------------------------------------------------------------------------------

    def _commanded(self, message: Publish) -> None:
        self._system.log("I", TAG, f"message on {message.topic}, {len(message.payload)} bytes")
        if message.topic != self._settings.cmd_topic:
            return
        order: Any
        try:
            order = json.loads(message.payload)
        except ValueError:
            order = message.payload[:MAX_CONSOLE_LINE].decode("utf-8", "replace").strip()
        if not isinstance(order, dict):
            order = {"do": str(order)}
        self._start(self._obey(order))

    async def _obey(self, order: dict[str, Any]) -> None:
        do = str(order.get("do", ""))
        self._system.log("I", TAG, f"command {do!r}, id {order.get('id')}")
        answer: dict[str, Any] = {"id": order.get("id"), "ok": do in _MQTT, "do": do}
        if do not in _MQTT:
            answer["error"] = f"unknown command, expected one of {', '.join(_MQTT)}"
        elif do in ("status", "heap"):
            answer |= self._state() if do == "status" else {"heap": self._heap.free()}
        client = self._client
        if client is None:
            return
        done = None
        if not self._system.build.lacks("answers"):
            done = client.publish(self._settings.ans_topic, json.dumps(answer).encode(), 1)
        if do in ("restart", "disconnect"):
            await self._delivered(done)
            wait = order.get("ms")
            self._do(do, wait / 1000 if isinstance(wait, int | float) and wait >= 0 else None)

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

    def _typed(self, data: bytes) -> None:
        for byte in data:
            if byte not in b"\r\n":
                if len(self._line) < MAX_CONSOLE_LINE:
                    self._line.append(byte)
                continue
            line = self._line.decode("utf-8", "replace").strip()
            self._line.clear()
            if line:
                self._do(line, None)

    def _do(self, do: str, seconds: float | None) -> None:
        log = self._system.log
        match do:
            case "status":
                log("I", TAG, f"status {json.dumps(self._state())}")
            case "heap":
                log("I", TAG, f"heap {self._heap.free()}")
            case "restart":
                log("I", TAG, "restarting")
                self._system.restart()
            case "disconnect" if self._client is not None:
                self._client.disconnect(seconds)
            case "connect" if self._client is not None:
                self._client.reconnect()
            case "panic":
                self._system.panic("StoreProhibited", ["Backtrace: 0x400d1f2e:0x3ffb5e70 0x400d2a11:0x3ffb5e90"])
            case "disconnect" | "connect":
                log("W", TAG, f"{do}: not provisioned, nothing to connect to")
            case _:
                log("W", "console", f"unknown command {do!r}, expected one of {', '.join(_CONSOLE)}")
