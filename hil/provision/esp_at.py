"""ESP-AT's manufacturing NVS, written over the console with AT+SYSMFG.

Source: ESP-AT User Guide, 'AT+SYSMFG' and 'AT+SYSMFG Command Examples'. Types 1 to 6 are numbers, written in the
command itself; 7 is a string, 8 binary, as certificates are: the firmware answers OK and `>`, takes exactly as many
bytes as the command said, and answers OK. Where a namespace holds one certificate, its key is called as the namespace
is (`mqtt_ca`); where it holds several, `client_ca.0` and so on: mfg_nvs.py of ESP-AT, which makes the factory's image.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hil.console import Console
from hil.lines import Mark
from hil.places import EspAtPlace
from hil.provision import Applied, ProvisionError, Setting
from hil.provision.dialogue import Dialogue, Refused
from hil.provision.unfinished import Unfinished

_NUMBERS = {"u8": 1, "i8": 2, "u16": 3, "i16": 4, "u32": 5, "i32": 6}
_STRING, _BINARY = 7, 8
_OK = "^OK$"
_ERROR = "^ERROR$"
_BUSY = r"^busy p\.\.\."
_AGAIN = 0.2  # seconds until a busy firmware is asked again
_LINE_ENDS = re.compile(rb"\r+\n|\r")
_BINARY_NAMESPACE = re.compile("_(ca|cert|key)$")


@dataclass(frozen=True, slots=True)
class _Held:
    """What the board shows of an entry: type, bytes it has, and its content with LF as line ends, none at its end.

    The console makes all line ends equal, and more of them follow; the length tells what is meant.
    """

    type: int
    length: int
    content: bytes

    def __str__(self) -> str:
        return f"type {self.type}, {self.length} bytes, SHA-256 {hashlib.sha256(self.content).hexdigest()[:12]}..."


@dataclass(frozen=True, slots=True)
class _Entry:
    namespace: str
    key: str
    type: int
    data: bytes

    @property
    def named(self) -> str:
        return f'"{self.namespace}","{self.key}"'

    @property
    def as_held(self) -> _Held:
        """How the board shows it when it holds it."""
        return _Held(self.type, len(self.data), _LINE_ENDS.sub(b"\n", self.data).rstrip(b"\n"))

    @property
    def lost(self) -> int:
        """How many bytes the console takes out of it."""
        return len(self.data) - len(_LINE_ENDS.sub(b"\n", self.data))


class EspAt:
    """Puts settings into the manufacturing NVS of the ESP-AT behind `console`. See `hil.provision.Method`."""

    name = "esp-at"
    in_flash = False

    def __init__(self, place: EspAtPlace, console: Console, unfinished: Unfinished) -> None:
        self._place = place
        self._console = console
        self._board = console.board
        self._dialogue = Dialogue(console, place, "\r\n")
        self._unfinished = unfinished

    def apply(self, values: Mapping[str, Setting]) -> Applied:
        """See `hil.provision.Method`; the firmware is restarted where something was written."""
        entries = [self._entry(key, setting) for key, setting in values.items()]
        recovered = self._unfinished.there
        self._dialogue.start()
        self._command("ATE0")
        missing = [entry for entry in entries if self._held(entry) != entry.as_held]
        if missing:
            self._unfinished.set()
            for entry in missing:
                self._write(entry)
                self._compare(entry)
            self._command("AT+RST")
        self._unfinished.clear()
        written = sum(len(entry.data) for entry in missing)
        return Applied(sectors=0, written=written, capacity=0, recovered=recovered)

    def _entry(self, key: str, setting: Setting) -> _Entry:
        if setting is None:
            raise ProvisionError(f"board {self._board}: setting {key!r} cannot be taken away through AT+SYSMFG here")
        kind, text = setting
        namespace, _, name = key.partition("/")
        type_ = _NUMBERS.get(kind) or (_BINARY if kind == "blob" or _BINARY_NAMESPACE.search(namespace) else _STRING)
        if not text:
            raise ProvisionError(f"board {self._board}: {key} is empty, and AT+SYSMFG takes a byte at least")
        if type_ < _STRING and not re.fullmatch("-?[0-9]+", text):
            raise ProvisionError(f"board {self._board}: {key} is no number, expected one for {kind}")
        return _Entry(namespace, name or namespace, type_, text.encode())

    def _command(self, text: str, answer: str = _OK) -> Mark:
        """Send a command, again while the firmware is busy, and wait for its answer. Returns where that ends."""
        deadline = time.monotonic() + self._place.answer_within
        while True:
            sent = self._dialogue.say(text)
            seen = self._dialogue.answer(sent, f"{_BUSY}|{answer}", _ERROR)
            if not re.search(_BUSY, seen.text):
                return seen.end
            if time.monotonic() > deadline:
                raise ProvisionError(
                    f"board {self._board}: it is busy with something else for {self._place.answer_within:g} s, and "
                    f"does not take {text!r}"
                )
            time.sleep(_AGAIN)

    def _write(self, entry: _Entry) -> None:
        if entry.type < _STRING:
            self._command(f"AT+SYSMFG=2,{entry.named},{entry.type},{entry.data.decode()}")
            return
        command = f"AT+SYSMFG=2,{entry.named},{entry.type},{len(entry.data)}"
        self._command(command, "^>")
        sent = self._dialogue.upload(entry.data, f"({len(entry.data)} bytes of {entry.named})")
        self._dialogue.answer(sent, _OK, _ERROR)

    def _held(self, entry: _Entry) -> _Held | None:
        """What the board holds; None if it says that there is nothing.

        Read in one piece: parts would show pieces of lines of a private key, which nothing could blank.
        """
        head = rf"^\+SYSMFG:{re.escape(entry.named)},(?P<type>\d+),(?P<length>\d+),"
        sent = self._dialogue.say(f"AT+SYSMFG=1,{entry.named}")
        try:
            seen = self._dialogue.answer(sent, head, _ERROR)
        except Refused:
            return None
        length = int(seen["length"] or 0)
        start = self._console.received(sent.mark)
        before = re.search(head.replace("^", "(?m:^)").encode(), start)
        begin = Mark(sent.mark.offset + (before.end() if before else 0))
        after = begin
        while True:
            # OK may be a line of the value itself: it is the end once all bytes of the value are before it.
            end = self._dialogue.answer(replace(sent, mark=after), _OK, None).end
            content = self._console.received(begin)[: end.offset - begin.offset].removesuffix(b"OK")
            # With CR LF in it, a value has fewer bytes here than in the board.
            lost = entry.lost if length == len(entry.data) else content.count(b"\n")
            if len(content) + lost >= length:
                return _Held(int(seen["type"] or 0), length, content.rstrip(b"\n"))
            after = end

    def _compare(self, entry: _Entry) -> None:
        held = self._held(entry)
        if held != entry.as_held:
            raise ProvisionError(
                f"board {self._board}: {entry.namespace}/{entry.key} reads back as {held or 'nothing'}, expected "
                f"{entry.as_held}; bytes may have been lost on the way: set burst"
            )
