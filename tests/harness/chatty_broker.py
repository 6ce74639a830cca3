"""A broker that never stops sending, and gives a connection up at the first write that fails, as real ones do."""

from __future__ import annotations

import queue
import select
import socket
import ssl
import threading
from pathlib import Path

from certificates import NAME, pki

from hil.link.client import Client, Endpoint, Received
from hil.wire.mqtt import Connack, Publish, Version, encode

LIMIT = 60.0  # seconds
CHATTER = encode(Publish("news", bytes(16_000)), Version.V311)
#: Times it sends on after something has come that it has not read.
GOES_ON = 50


class ChattyBroker:
    """It serves one connection. `heard` gets what came after the CONNECT, or b"broken" where a write has failed.

    It is the client's owner as well, which is told nothing of interest but `let_in`.
    """

    def __init__(self, folder: Path) -> None:
        self.heard: queue.Queue[bytes] = queue.Queue()
        self.let_in = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(LIMIT)
        self.endpoint = Endpoint(*self._listening.getsockname(), NAME)
        pem = folder / "server.pem"
        pem.write_bytes(pki().server.key_pem + pki().server.chain_pem)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(pem)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> ChattyBroker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(LIMIT)
        self._listening.close()

    def _serve(self) -> None:
        raw, _ = self._listening.accept()
        raw.settimeout(LIMIT)
        with raw, self._tls.wrap_socket(raw, server_side=True) as line:
            line.recv(1000)
            line.sendall(encode(Connack(0), Version.V311))
            try:
                while not select.select([line], [], [], 0)[0]:
                    line.sendall(CHATTER)
                for _ in range(GOES_ON):
                    line.sendall(CHATTER)
            except OSError:
                self.heard.put(b"broken")
                return
            heard = b""
            while more := line.recv(1000):
                heard += more
            self.heard.put(heard)

    def connected(self, client: Client) -> None:
        self.let_in.set()

    def lost(self, client: Client, reason: str, again: float | None) -> None: ...
    def granted(self, client: Client, number: int, granted: bool) -> None: ...
    def arrived(self, client: Client, message: Received) -> None: ...
