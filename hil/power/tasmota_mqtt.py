"""A device with Tasmota over MQTT, on any broker: its own connection, not the bench's.

Tasmota, 'MQTT' and 'Commands': `cmnd/TOPIC/POWER1` with ON, OFF or nothing; the answer comes as `stat/TOPIC/RESULT`
{"POWER1":"ON"} and `stat/TOPIC/POWER1` ON; `tele/TOPIC/LWT` is retained, Online or Offline. `full_topic` is the
device's FullTopic. An answer counts only if it names the relay (see `hil.power.tasmota`).
"""

from __future__ import annotations

import json
import queue
import ssl
import threading
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import Field

from hil.power import PowerError
from hil.power.outlet import OutletPower, Port, Resolve, Seconds
from hil.power.tasmota import no_relay, relay_state
from hil.secret import Secret


class TasmotaMqttPower(OutletPower):
    """Relay `channel` (from 1) of the device with this `topic`, on the broker at `host`.

    `tls`: whether the broker wants TLS; `ca`: a PEM file with its trust anchors, the system's own without it.
    """

    kind: Literal["tasmota-mqtt"] = "tasmota-mqtt"
    host: Annotated[str, Field(min_length=1)]
    port: Port = 1883
    topic: Annotated[str, Field(pattern=r"^[^#+\s]+$")]
    full_topic: Annotated[str, Field(pattern=r"^[^#+]*\{prefix\}[^#+]*$")] = "{prefix}/{topic}/"
    channel: Annotated[int, Field(ge=1, le=32)] = 1
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    ca: str | None = None
    timeout: Seconds = 10.0

    @property
    def patience(self) -> float:
        """Seconds."""
        return 2.0

    @property
    def identity(self) -> str:
        return f"tasmota {self.topic} on {self.host.lower()}:{self.port} channel {self.channel}"

    def outlet(self, resolve: Resolve) -> TasmotaMqttOutlet:
        password = self.password.value("power.password") if self.password else None
        return TasmotaMqttOutlet(self, password, resolve(self.ca) if self.ca else None)


class TasmotaMqttOutlet:
    """One relay. Connects on first use, and stays connected until `close`."""

    def __init__(self, config: TasmotaMqttPower, password: str | None, ca: Path | None) -> None:
        self._config = config
        self._password = password
        self._ca = ca
        self._client: paho.Client | None = None
        self._ready = threading.Event()
        self._failure: str | None = None
        self._online: bool | None = None
        self._said: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def set(self, on: bool) -> None:
        if self._config.channel > 1:
            self.state()
        self._ask("ON" if on else "OFF")

    def state(self) -> bool | None:
        return self._ask("")

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _topic(self, prefix: str, last: str) -> str:
        full = self._config.full_topic.replace("{prefix}", prefix).replace("{topic}", self._config.topic)
        return f"{full.rstrip('/')}/{last}"

    def _ask(self, payload: str) -> bool:
        """Give one command and return the state that the device answers with."""
        client = self._connected()
        while not self._said.empty():  # what was said before was no answer
            self._said.get()
        deadline = time.monotonic() + self._config.timeout
        client.publish(self._topic("cmnd", f"POWER{self._config.channel}"), payload, qos=1)
        while True:
            try:
                said = self._said.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise self._error(self._silence()) from None
            state = relay_state(said, self._config.channel)
            if state is not None:
                return state
            if isinstance(said, dict) and "Command" in said:
                raise no_relay(self._error, self._config.channel, said)

    def _silence(self) -> str:
        if self._online is False:
            return "is offline, says the broker; has it power, and its Wi-Fi?"
        known = "" if self._online else ", and the broker has never heard of it: is the topic right?"
        return f"does not answer within {self._config.timeout:g} s for relay {self._config.channel}{known}"

    def _connected(self) -> paho.Client:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> paho.Client:
        config = self._config
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="", clean_session=True)
        if config.username is not None:
            client.username_pw_set(config.username, self._password)
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._ready.set()
        client.on_message = self._on_message
        self._ready.clear()
        self._failure = None
        broker = f"{config.host}:{config.port}"
        try:
            if config.tls:
                client.tls_set_context(ssl.create_default_context(cafile=str(self._ca) if self._ca else None))
            client.connect_timeout = config.timeout
            client.connect(config.host, config.port)
        except ssl.SSLError as error:
            raise self._error(f"TLS to the broker {broker} fails ({error.reason}); correct ca in the rig") from None
        except OSError as error:
            why = error.strerror or "no answer"
            raise self._error(f"the broker {broker} is not reached ({why}); check address and port") from None
        client.loop_start()
        if not self._ready.wait(config.timeout) or self._failure is not None:
            client.disconnect()
            client.loop_stop()
            why = self._failure or f"does not answer within {config.timeout:g} s"
            raise self._error(f"the broker {broker} {why}")
        return client

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._failure = f"refuses the connection ({reason}); correct username and password in the rig"
            self._ready.set()
            return
        client.subscribe([(self._topic("stat", "+"), 1), (self._topic("tele", "LWT"), 1)])

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        text = message.payload.decode("utf-8", "replace")
        if message.topic == self._topic("tele", "LWT"):
            self._online = text == "Online"
        elif message.topic == self._topic("stat", "RESULT"):
            try:
                self._said.put(json.loads(text))
            except ValueError:
                return  # somebody else's idea of a result
        elif not message.retain:
            self._said.put({message.topic.rpartition("/")[2]: text})

    def _error(self, what: str) -> PowerError:
        return PowerError(f"Tasmota {self._config.topic}: {what}")
