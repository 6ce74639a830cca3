"""A scripted firmware on a pty that is provisioned through its console, for tests of the odd things one may do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from ptys import Device


class Firmware:
    """A firmware with `set`, `get` and `hash`, and AT+SYSMFG; `quirk` may answer a line in its place."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.held: dict[str, bytes] = {}
        self.lines: list[str] = []
        self.types: dict[str, int] = {}
        self.quirk: Callable[[str], bytes | None] = lambda line: None
        self.echo = True
        self.upload: tuple[str, int] | None = None
        self._waiting = b""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            self._waiting += self.device.heard(timeout=0.02)
            while self._step():
                pass

    def _step(self) -> bool:
        if self.upload is not None:
            key, size = self.upload
            if len(self._waiting) < size:
                return False
            self.held[key], self._waiting = self._waiting[:size], self._waiting[size:]
            self.upload = None
            self.device.say(b"\r\nOK\r\n")
            return True
        line, end, rest = self._waiting.partition(b"\n")
        if not end:
            return False
        self._waiting = rest
        text = line.rstrip(b"\r").decode()
        self.lines.append(text)
        if self.echo:
            self.device.say(line.rstrip(b"\r") + b"\r\n")
        answer = self.quirk(text)
        self.device.say(self._answer(text) if answer is None else answer)
        return True

    def _answer(self, text: str) -> bytes:
        word, _, rest = text.partition(" ")
        key, _, value = rest.partition(" ")
        if word == "set":
            self.held[key] = value.encode()
            return b"OK\r\n"
        if word in ("get", "hash"):
            if key not in self.held:
                return b"ERROR: not set\r\n"
            shown = self.held[key] if word == "get" else hashlib.sha256(self.held[key]).hexdigest().encode()
            return key.encode() + b"=" + shown + b"\r\nOK\r\n"
        if text.startswith("AT+SYSMFG=1"):
            name = text.removeprefix("AT+SYSMFG=1,")
            if name not in self.held:
                return b"\r\nERROR\r\n"
            held = self.held[name]
            return f"+SYSMFG:{name},{self.types[name]},{len(held)},".encode() + held + b"\r\n\r\nOK\r\n"
        if text.startswith("AT+SYSMFG=2"):
            name, kind, number = text.removeprefix("AT+SYSMFG=2,").rsplit(",", 2)
            self.types[name] = int(kind)
            if int(kind) < 7:
                self.held[name] = number.encode()
                return b"\r\nOK\r\n"
            self.upload = name, int(number)
            return b"\r\nOK\r\n\r\n>"
        return b"\r\nOK\r\n" if text.startswith("AT") else b"?\r\n"
