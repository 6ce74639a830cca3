"""Provisioning through the console: settings as lines, credentials as ESP-AT takes them.

Only images that were built with `--store console` have it. What comes in is echoed, as by ESP-AT before ATE0; what an
upload brings is not. Everything is stored in NVS at once, and used from the next boot on.

| line                                           | answer                                                         |
|------------------------------------------------|----------------------------------------------------------------|
| `set KEY VALUE`                                | `OK`, or `ERROR: ` and why; the value is the rest of the line  |
| `get KEY`                                      | `KEY=VALUE`, `OK`; passwords and credentials are never shown   |
| `hash KEY`                                     | `KEY sha256 HEX` (of the value's bytes), `OK`                  |
| `AT`, `ATE0`, `ATE1`                           | `OK`; ATE0 turns the echo off                                  |
| `AT+RST`                                       | `OK`, and it restarts                                          |
| `AT+SYSMFG?`                                   | `+SYSMFG:"NAMESPACE"` for each, `OK`                           |
| `AT+SYSMFG=0,"NAMESPACE"[,"KEY"]`              | `OK`: erased                                                   |
| `AT+SYSMFG=1,"NAMESPACE"`                      | `+SYSMFG:"NAMESPACE","KEY",TYPE` for each, `OK`                |
| `AT+SYSMFG=1,"NAMESPACE","KEY"[,OFFSET,LENGTH]`| `+SYSMFG:"NAMESPACE","KEY",TYPE,LENGTH,VALUE`, `OK`            |
| `AT+SYSMFG=2,"NAMESPACE","KEY",TYPE,LENGTH`    | `OK`, `>`; after LENGTH bytes `OK`. TYPE 7 (string), 8 (binary)|

An AT line ends with CR LF, and wrong ones are answered with `ERROR`. Source: ESP-AT User Guide, 'AT+SYSMFG' and
'AT+SYSMFG Command Examples'. Of its types only strings and binaries can be written here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from hil.virtual.firmware.nvs import NvsError, Store
from hil.virtual.firmware.settings import NAMESPACE, SettingError, check
from hil.virtual.firmware.stores import AT_KEYS
from hil.virtual.firmware.system import System

MAX_LINE = 512
"""Bytes of a line that it can hold."""

MAX_UPLOAD = 16_384
"""Bytes that one upload may have."""

_STRING, _BINARY = 7, 8
_SECRET = ("wifi_pass", "password", *AT_KEYS)
_NAMESPACES = [namespace for namespace, _ in AT_KEYS.values()]
_SYSMFG = re.compile(r'([012])(?:,"([^"]{1,15})")?(?:,"([^"]{1,15})")?((?:,\d+)*)')


class _Refused(Exception):
    """An AT command that is answered with ERROR."""


class SetupConsole:
    """`store()` is the NVS, None as long as it is not open."""

    def __init__(self, system: System, store: Callable[[], Store | None]) -> None:
        self._system = system
        self._store = store
        self._line = bytearray()
        self._echo = True
        self._upload: tuple[str, str, int, int] | None = None  # namespace, key, type, length
        self._uploaded = bytearray()

    def ready(self) -> None:
        """Say that commands are heard, as ESP-AT does."""
        self._system.print("\r\nready")

    def typed(self, data: bytes) -> bytes:
        """Obey what is for us; what is returned are whole lines that are not."""
        others = b""
        while data:
            if self._upload is not None:
                missing = self._upload[3] - len(self._uploaded)
                self._uploaded += data[:missing]
                data = data[missing:]
                if len(self._uploaded) == self._upload[3]:
                    self._end_upload(*self._upload[:3])
                continue
            byte, data = data[0], data[1:]
            # An AT line ends with LF only: the LF behind a CR would be the first byte of an upload else.
            if byte == 0x0A or (byte == 0x0D and not self._line.upper().startswith(b"AT")):
                others += self._ended()
            elif byte != 0x0D and len(self._line) <= MAX_LINE:
                self._line.append(byte)
        return others

    def _ended(self) -> bytes:
        line = self._line.decode("utf-8", "replace").lstrip()
        self._line.clear()
        if not line.strip():
            return b""
        if self._echo:
            self._system.print(line)
        word, _, rest = line.partition(" ")
        store = self._store()
        if not (line.upper().startswith("AT") or word in ("set", "get", "hash")):
            return line.encode() + b"\n"
        if store is None:
            self._system.print("ERROR: not ready")
        elif len(line) > MAX_LINE:
            self._system.print(f"ERROR: the line has more than {MAX_LINE} bytes")
        elif word in ("set", "get", "hash"):
            self._setting(store, word, *rest.partition(" ")[::2])
        else:
            self._at(store, line.rstrip())
        return b""

    # -- settings as lines ----------------------------------------------------------------------------------------

    def _setting(self, store: Store, word: str, key: str, text: str) -> None:
        say = self._system.print
        try:
            check(key, text if word == "set" and text else None)
            if word == "set":
                if key in AT_KEYS:
                    raise SettingError(f'{key} is uploaded: AT+SYSMFG=2,"{AT_KEYS[key][0]}","{AT_KEYS[key][1]}",8,...')
                store.set_string(NAMESPACE, key, text) if text else store.remove(NAMESPACE, key)
            else:
                self._show(store, word, key)
        except (SettingError, NvsError) as error:
            say(f"ERROR: {error}")
        else:
            say("OK")

    def _show(self, store: Store, word: str, key: str) -> None:
        value = store.get(*AT_KEYS.get(key, (NAMESPACE, key)))
        if value is None:
            raise SettingError(f"{key} is not set")
        if word == "hash":
            digest = hashlib.sha256(value if isinstance(value, bytes) else str(value).encode()).hexdigest()
            self._system.print(f"{key} sha256 {digest}")
        elif key in _SECRET:
            raise SettingError(f"{key} is not shown; ask for its hash")
        else:
            self._system.print(f"{key}={value!s}")

    # -- as ESP-AT ------------------------------------------------------------------------------------------------

    def _at(self, store: Store, line: str) -> None:
        command = line[2:].upper()
        say = self._system.print
        try:
            if command in ("E0", "E1"):
                self._echo = command == "E1"
            elif command == "+RST":
                say("\r\nOK")
                self._system.restart()
            elif command == "+SYSMFG?":
                for namespace in _NAMESPACES:
                    say(f'+SYSMFG:"{namespace}"')
            elif command.startswith("+SYSMFG="):
                self._sysmfg(store, line[len("AT+SYSMFG=") :])
            elif command:
                raise _Refused
        except (_Refused, NvsError):
            say("\r\nERROR")
            return
        say("\r\nOK")
        if self._upload is not None:
            say("\r\n>")

    def _sysmfg(self, store: Store, arguments: str) -> None:
        match = _SYSMFG.fullmatch(arguments)
        if match is None or match[2] not in _NAMESPACES:
            raise _Refused
        operation, namespace, key = match[1], match[2], match[3]
        numbers = [int(number) for number in match[4].split(",")[1:]]
        if operation == "0" and not numbers:
            if not store.remove(namespace, key):
                raise _Refused
        elif operation == "1" and key is None and not numbers:
            for name, value in store.keys(namespace).items():
                self._system.print(f'+SYSMFG:"{namespace}","{name}",{_type(value)}')
        elif operation == "1" and key is not None and len(numbers) in (0, 2):
            self._tell(store, namespace, key, numbers)
        elif operation == "2" and key is not None and len(numbers) == 2:
            kind, length = numbers
            if kind not in (_STRING, _BINARY) or not 0 < length <= MAX_UPLOAD:
                raise _Refused
            self._upload = namespace, key, kind, length
        else:
            raise _Refused

    def _tell(self, store: Store, namespace: str, key: str, part: list[int]) -> None:
        value = store.get(namespace, key)
        if value is None:
            raise _Refused
        content = value if isinstance(value, bytes) else str(value).encode()
        if part:
            content = content[part[0] : part[0] + part[1]]
        head = f'+SYSMFG:"{namespace}","{key}",{_type(value)},{len(content)},'
        self._system.print(head + content.decode("utf-8", "replace"))

    def _end_upload(self, namespace: str, key: str, kind: int) -> None:
        content, store = bytes(self._uploaded), self._store()
        self._upload = None
        self._uploaded.clear()
        try:
            if store is None:
                raise NvsError("not open")
            if kind == _STRING:
                store.set_string(namespace, key, content.decode("utf-8", "replace"))
            else:
                store.set_blob(namespace, key, content)
        except NvsError as error:
            self._system.log("E", "at", str(error))
            self._system.print("\r\nERROR")
        else:
            self._system.print("\r\nOK")


def _type(value: int | str | bytes) -> int:
    return _BINARY if isinstance(value, bytes) else _STRING
