"""Devices that switches talk to, as small servers: they speak the documented protocol, and misbehave when told."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import parse_http_list, parse_keqv_list

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from ptys import Device

PASSWORD = "correct horse"
Answer = tuple[int, bytes]


class WebDevice:
    """An HTTP server in front of `answer(method, path, query, body)`; keeps the paths and headers it was asked.

    `password`: Basic ('basic') or Digest with SHA-256 ('digest', each nonce good for one request). `mishap`: 'garbage',
    'drop', 'silent' in place of any answer. `relays`: the states, by number.
    """

    def __init__(self, relays: dict[int, bool], *, login: str | None = None, mishap: str | None = None) -> None:
        self.relays = relays
        self.login = login
        self.mishap = mishap
        self.stuck = False  # it says yes and does nothing
        self.slow = 0  # so many readings show the old state
        self.trouble: list[str] = []
        self.paths: list[str] = []
        self.nonces: set[str] = set()
        self.done = threading.Event()
        device = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _serve(self) -> None:
                device.paths.append(self.path)
                if device.mishap == "silent":
                    device.done.wait(20)
                if device.mishap in ("silent", "drop"):
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if not device.welcome(self.headers.get("Authorization", ""), self.command, self.path):
                    self._answer(401, b"Unauthorized", device.challenge())
                elif device.mishap == "garbage":
                    self._answer(200, b"<html><title>A printer</title></html>")
                else:
                    parts = urlsplit(self.path)
                    self._answer(*device.answer(self.command, parts.path, parse_qs(parts.query), body))

            def _answer(self, status: int, body: bytes, challenge: str = "") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if challenge:
                    self.send_header("WWW-Authenticate", challenge)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _serve

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        raise NotImplementedError

    def switch(self, relay: int, on: bool) -> None:
        if not self.stuck:
            self.relays[relay] = on
            self._old = not on

    def read(self, relay: int) -> bool:
        if self.slow:
            self.slow -= 1
            return self._old
        return self.relays[relay]

    def challenge(self) -> str:
        if self.login == "basic":
            return 'Basic realm="device"'
        self.nonces.add(nonce := os.urandom(6).hex())
        return f'Digest qop="auth", realm="shellyplus1-a0", nonce="{nonce}", algorithm=SHA-256'

    def welcome(self, shown: str, method: str, uri: str) -> bool:
        if self.login is None:
            return True
        if self.login == "basic":
            return shown == "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        if not shown.startswith("Digest "):
            return False
        said = parse_keqv_list(parse_http_list(shown[7:]))
        if said["nonce"] not in self.nonces or said["uri"] != uri:
            return False
        self.nonces.discard(said["nonce"])

        def sha(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        ha1, ha2 = sha(f"admin:shellyplus1-a0:{PASSWORD}"), sha(f"{method}:{uri}")
        right = sha(f"{ha1}:{said['nonce']}:{said['nc']}:{said['cnonce']}:{said['qop']}:{ha2}")
        return said["username"] == "admin" and said["response"] == right

    def close(self) -> None:
        self.done.set()
        self._server.shutdown()
        self._server.server_close()


class ShellyGen1(WebDevice):
    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        number = path.removeprefix("/relay/")
        if not number.isdigit() or int(number) not in self.relays:
            return 404, b"Not Found"
        relay = int(number)
        if "turn" in query:
            self.switch(relay, query["turn"] == ["on"])
        status = {"ison": self.read(relay), "has_timer": False, "overpower": "overpower" in self.trouble}
        return 200, json.dumps(status).encode()


class ShellyGen2(WebDevice):
    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        if path != "/rpc":
            return 404, b"Not Found"
        frame = json.loads(body)
        relay = frame["params"]["id"]
        reply: dict[str, Any] = {"id": frame["id"], "src": "shellyplus1-a0"}
        if relay not in self.relays:
            reply["error"] = {"code": -105, "message": f"Argument 'id', value {relay} not found!"}
        elif frame["method"] == "Switch.Set":
            reply["result"] = {"was_on": self.relays[relay]}
            self.switch(relay, frame["params"]["on"])
        else:
            reply["result"] = {"id": relay, "output": self.read(relay), "temperature": {"tC": 40.1}}
            reply["result"] |= {"errors": self.trouble} if self.trouble else {}
        return 200, json.dumps(reply).encode()


class Tasmota(WebDevice):
    """One relay is POWER; with several each has its number, and an unknown number is not answered with a state."""

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        command, _, word = unquote(query["cmnd"][0]).partition(" ")
        relay = int(command.removeprefix("Power"))
        if relay not in self.relays:
            return 200, b'{"Command":"Unknown"}'
        if word:
            self.switch(relay, word == "ON")
        name = "POWER" if len(self.relays) == 1 else f"POWER{relay}"
        return 200, json.dumps({name: "ON" if self.read(relay) else "OFF"}).encode()


class HomeAssistant(WebDevice):
    """One entity, `switch.bench_1`; `stuck` makes it unavailable."""

    def welcome(self, shown: str, method: str, uri: str) -> bool:
        return shown == f"Bearer {PASSWORD}"

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        if path.startswith("/api/services/switch/turn_"):
            if json.loads(body)["entity_id"] == "switch.bench_1":
                self.switch(1, path.endswith("_on"))
            return 200, b"[]"
        if path != "/api/states/switch.bench_1":
            return 404, b'{"message":"Entity not found."}'
        word = "unavailable" if self.trouble else "on" if self.read(1) else "off"
        return 200, json.dumps({"entity_id": "switch.bench_1", "state": word}).encode()


class MqttTasmota:
    """A Tasmota with two relays and the topic `bench`, connected to a broker until `close`."""

    def __init__(self, port: int) -> None:
        self.relays = {1: False, 2: False}
        self.deaf = False
        self._here = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.will_set("tele/bench/LWT", "Offline", retain=True)
        self._client.on_connect = lambda client, *_: client.subscribe("cmnd/bench/+", 1)
        self._client.on_subscribe = self._ready
        self._client.on_message = self._command
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._here.wait(20)

    def _ready(self, client: paho.Client, *_: Any) -> None:
        client.publish("tele/bench/LWT", "Online", 1, retain=True).is_published()
        self._here.set()

    def _command(self, client: paho.Client, _: Any, message: paho.MQTTMessage) -> None:
        relay = int(message.topic.rpartition("POWER")[2])
        if self.deaf:
            return
        if relay not in self.relays:
            client.publish("stat/bench/RESULT", b'{"Command":"Unknown"}')
            return
        if message.payload:
            self.relays[relay] = message.payload == b"ON"
        word = "ON" if self.relays[relay] else "OFF"
        client.publish("stat/bench/RESULT", json.dumps({f"POWER{relay}": word}))
        client.publish(f"stat/bench/POWER{relay}", word)

    def close(self, *, wave: bool = False) -> None:
        """Leave; without `wave` the broker has to say so itself, by the will."""
        if wave:
            self._client.publish("tele/bench/LWT", "Offline", 1, retain=True).wait_for_publish(20)
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def lcus(path: Path, *, channels: int, answers: bool = True) -> Iterator[dict[int, bool]]:
    """An LCUS module on a pty at `path`; yields the relays' states, by channel."""
    relays = dict.fromkeys(range(1, channels + 1), False)
    device = Device(path)

    def serve() -> None:
        try:
            while True:
                first = device.hear(1)
                if first == b"\xff" and answers:
                    lines = [f"CH{n}: {'ON' if on else 'OFF'} \r\n" for n, on in relays.items()]
                    device.say("".join(lines).encode())
                elif first == b"\xa0":
                    channel, on, check = device.hear(3)
                    if check == (0xA0 + channel + on) & 0xFF and channel in relays:
                        relays[channel] = bool(on)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield relays
    finally:
        os.unlink(path)


def program(folder: Path, name: str, script: str) -> str:
    """A fake tool: a shell script that notes its arguments in `calls`, one line each, and runs `script`."""
    path = folder / name
    path.write_text(f'#!/bin/sh\ncd {folder}\necho "$@" >> calls\n{script}\n')
    path.chmod(0o755)
    return str(path)
