"""What OpenSSL writes in a handshake, message by message, and what is sent instead.

The rules, before the code:

- OpenSSL tells of each record's header and of each message as it writes them, so the message that a stretch of bytes
  holds is known without decrypting anything.
- A stop that is reached ends it: what was written before is sent, what is written afterwards is not.
- Handshake records are cut anew only where nothing later depends on their number: before there are keys, and under
  TLS 1.3's handshake keys, which the client sees with our records alone. A NewSessionTicket of TLS 1.3 and the
  Finished of TLS 1.2 go out as they are.
- A message never shares a record with one under other keys (RFC 8446 section 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from hil.gateway.tls.hello import HelloRetry, ServerHello, parse_server_hello
from hil.gateway.tls.keys import Sealer, SecretLog, Tls12Sealer, Tls13Sealer, plain_record
from hil.gateway.tls.script import ALERT_NUMBERS, Script, Stop
from hil.gateway.tls.suites import suite_name

CHANGE_CIPHER_SPEC: Final = 20
ALERT: Final = 21
HANDSHAKE: Final = 22
HEADER: Final = 256
"""OpenSSL's number for 'the header of a record' where it tells what it reads and writes."""

_SERVER_HELLO, _FINISHED = 2, 20
_FATAL: Final = 2

Epoch = Literal["plain", "handshake", "application", "older"]


@dataclass(frozen=True, slots=True)
class _Written:
    """One message and the records that it is in."""

    content: int
    data: bytes
    records: int
    size: int


class Flight:
    """The outgoing side of one handshake."""

    def __init__(self, script: Script, secrets: SecretLog | None) -> None:
        self._script = script
        self._secrets = secrets
        if secrets is not None:
            secrets.gather()
        self._written: list[_Written] = []
        self._size = 0
        self._records = 0
        self._client_random = b""
        self._server: ServerHello | None = None
        self._epoch: Epoch = "plain"
        self._sealer: Sealer | None = None
        self._sequence = 0  # records sent in this epoch
        self._group = bytearray()  # handshake bytes that wait for a record
        self.stopped: Stop | None = None
        self.alert: str | None = None  # what was sent at the stop

    def observe(self, direction: str, content: int, data: bytes) -> None:
        """OpenSSL read or wrote this. `direction` is 'read' or 'write'."""
        if direction == "write":
            if content == HEADER:
                self._size += 5 + int.from_bytes(data[3:5], "big")
                self._records += 1
                return
            if self.stopped is None:
                self._written.append(_Written(content, data, self._records, self._size))
            self._size = self._records = 0
        elif content == HANDSHAKE and data[:1] == b"\x01":
            self._client_random = data[6:38]
        if content == HANDSHAKE and data and self.stopped is None:
            self.stopped = next((stop for stop in self._script.stops if stop.reached(direction, data)), None)

    def release(self, raw: bytes) -> bytes:
        """What shall be sent for `raw`, which OpenSSL wrote since the last time."""
        out = bytearray()
        at = 0
        for written in self._written:
            self._send(out, written, raw[at : at + written.size])
            at += written.size
        self._written.clear()
        self._flush(out)
        if self.stopped is None:
            out += raw[at:]
        elif self.stopped.how == "alert" and self.alert is None:
            self._send_alert(out, self.stopped.alert)
        return bytes(out)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _send(self, out: bytearray, written: _Written, raw: bytes) -> None:
        if self._script.handshake_record is None or self._epoch in ("application", "older"):
            out += raw
            if written.content != CHANGE_CIPHER_SPEC:  # TLS 1.3 sends it for old middleboxes' sake; it has no keys
                self._sequence += written.records
        elif written.content == HANDSHAKE:
            self._group += written.data
        else:
            self._flush(out)
            if self._epoch == "plain" or written.content == CHANGE_CIPHER_SPEC:
                out += raw
            else:
                self._seal(out, written.content, written.data)
        self._turn(out, written)

    def _turn(self, out: bytearray, written: _Written) -> None:
        """Go over to other keys where this message is the last under the old ones."""
        if written.content == CHANGE_CIPHER_SPEC:
            if self._server is not None and self._server.version != "TLSv1.3":
                self._enter(out, "older")
        elif written.content == HANDSHAKE and written.data[0] == _SERVER_HELLO:
            try:
                self._server = parse_server_hello(written.data)
            except HelloRetry:
                return
            if self._server.version == "TLSv1.3":
                self._enter(out, "handshake")
        elif written.content == HANDSHAKE and written.data[0] == _FINISHED and self._epoch == "handshake":
            self._enter(out, "application")

    def _enter(self, out: bytearray, epoch: Epoch) -> None:
        self._flush(out)
        self._epoch = epoch
        self._sequence = 0
        self._sealer = None

    def _flush(self, out: bytearray) -> None:
        size = self._script.handshake_record or len(self._group)
        while self._group:
            part = bytes(self._group[:size])
            del self._group[:size]
            if self._epoch == "plain":
                out += self._plain(HANDSHAKE, part)
            else:
                self._seal(out, HANDSHAKE, part)

    def _plain(self, content: int, data: bytes) -> bytes:
        return plain_record(content, data, self._server.version if self._server is not None else "TLSv1.2")

    def _seal(self, out: bytearray, content: int, data: bytes) -> None:
        if self._sealer is None:
            self._sealer = self._make_sealer()
        self._sealer.sequence = self._sequence
        out += self._sealer.seal(content, data)
        self._sequence += 1

    def _make_sealer(self) -> Sealer:
        """Raises ValueError or KeyError where there are no keys."""
        if self._secrets is None or self._server is None:
            raise ValueError("no keys to make a record with")
        suite, find = suite_name(self._server.cipher), self._secrets.find
        if self._epoch == "older":
            master = find("CLIENT_RANDOM", self._client_random)
            return Tls12Sealer(suite, master, self._client_random, self._server.random)
        label = "SERVER_HANDSHAKE_TRAFFIC_SECRET" if self._epoch == "handshake" else "SERVER_TRAFFIC_SECRET_0"
        return Tls13Sealer(suite, find(label, self._client_random))

    def _send_alert(self, out: bytearray, name: str) -> None:
        data = bytes([_FATAL, ALERT_NUMBERS[name]])
        if self._epoch == "plain":
            out += self._plain(ALERT, data)
        else:
            try:
                self._seal(out, ALERT, data)
            except (ValueError, KeyError):
                return  # TLS 1.2 or older with a CBC suite, after its ChangeCipherSpec: there is no alert then
        self.alert = name
