"""What the device is told, over MQTT or on the console.

Over MQTT as JSON on its command topic, `{"id": 1, "do": "ping"}`, answered on its answer topic with the same id; on
the console as a line:

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

An image that is provisioned through its console has more of them; see setup_console.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hil.virtual.firmware.client import Client
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.setup_console import SetupConsole
from hil.virtual.firmware.system import System
from hil.wire.mqtt import Publish

TAG = "app"

MAX_CONSOLE_LINE = 256

LARGE = 2_048
"""Bytes of a command that a build with crash-large does not survive."""

_CONSOLE = ("status", "heap", "restart", "disconnect", "connect", "panic")
_MQTT = ("ping", "status", "heap", "restart", "disconnect")

State = Callable[[], dict[str, Any]]


class Commands:
    """Judges messages, obeys, answers. `client` is None while the device is not provisioned: the console works."""

    def __init__(
        self, system: System, settings: Settings, client: Client | None, state: State, setup: SetupConsole | None = None
    ) -> None:
        self._setup = setup
        self._system = system
        self._settings = settings
        self._client = client
        self._state = state
        self._line = bytearray()

    def order(self, message: Publish) -> dict[str, Any] | None:
        """What the message tells us to do; None if it is not for us, or must not be obeyed."""
        settings, log = self._settings, self._system.log
        size = len(message.payload)
        log("I", TAG, f"message on {message.topic}, {size} bytes")
        if self._system.build.has("crash-large") and size > LARGE:
            self._system.panic("StoreProhibited", ["Backtrace: 0x400d1c34:0x3ffb5d10 0x400d2a11:0x3ffb5d40"])
        if message.topic != settings.cmd_topic:
            return None
        if message.retain and not self._system.build.has("obey-retained"):
            # It was meant for whoever was there at the time; obeyed anew at each connect, a 'restart' is a boot loop.
            log("W", TAG, "retained command, ignored")
            return None
        if size > settings.max_payload:
            log("W", TAG, f"command of {size} bytes, the buffer holds {settings.max_payload}: ignored")
            return None
        order: Any
        try:
            order = json.loads(message.payload)
        except ValueError:
            order = message.payload[:MAX_CONSOLE_LINE].decode("utf-8", "replace").strip()
        return order if isinstance(order, dict) else {"do": str(order)}

    async def obey(self, order: dict[str, Any]) -> None:
        """Do it, and answer."""
        do = str(order.get("do", ""))
        self._system.log("I", TAG, f"command {do!r}, id {order.get('id')}")
        answer: dict[str, Any] = {"id": order.get("id"), "ok": do in _MQTT, "do": do}
        if do not in _MQTT:
            answer["error"] = f"unknown command, expected one of {', '.join(_MQTT)}"
        elif do == "status":
            answer |= self._state()
        elif do == "heap":
            answer["heap"] = self._state()["heap"]
        client = self._client
        if client is None:
            return
        done = None
        if not self._system.build.lacks("answers"):
            done = client.publish(self._settings.ans_topic, json.dumps(answer).encode(), 1)
        if do in ("restart", "disconnect"):
            await client.delivered(done)
            wait = order.get("ms")
            self._do(do, wait / 1000 if isinstance(wait, int | float) and wait >= 0 else None)

    def typed(self, data: bytes) -> None:
        """Bytes from the console; each line is obeyed at its end."""
        for byte in data if self._setup is None else self._setup.typed(data):
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
                log("I", TAG, f"heap {self._state()['heap']}")
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
