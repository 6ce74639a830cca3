"""An RFC 2217 server in tests: pyserial's PortManager before a port that only remembers what was done to it."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from typing import Any

from serial import rfc2217


class Lines:
    """Stands for the serial port: notes each state of (DTR, RTS) that it is put in, with the order kept."""

    def __init__(self) -> None:
        self.states: list[tuple[bool, bool]] = []
        self._dtr = self._rts = True
        self.baudrate = 115200
        self.bytesize = 8
        self.parity = "N"
        self.stopbits = 1
        self.rtscts = self.xonxoff = self.break_condition = False
        self.cts = self.dsr = self.cd = self.ri = False

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._dtr = value
        self.states.append((self._dtr, self._rts))

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, value: bool) -> None:
        self._rts = value
        self.states.append((self._dtr, self._rts))

    def reset_input_buffer(self) -> None:
        raise AssertionError("a console must not have the server throw away what the board has said")

    reset_output_buffer = reset_input_buffer


class Rfc2217Server:
    """Serves one client at a time on the same port number until stopped, and again after another start."""

    def __init__(self) -> None:
        self.port = Lines()
        self._received: queue.Queue[bytes] = queue.Queue()
        self._number = 0
        self.start()

    @property
    def url(self) -> str:
        return f"rfc2217://127.0.0.1:{self._number}?ign_set_control"

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._number))
        self._number = self._listener.getsockname()[1]
        self._client: socket.socket | None = None
        self._manager: Any = None
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(self._listener,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    def say(self, data: bytes) -> None:
        assert self._connected.wait(10)
        assert self._client is not None
        self._client.sendall(b"".join(self._manager.escape(data)))

    def hear(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._received.get(timeout=10)
        return data

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                self._client, _ = listener.accept()
            except OSError:
                return
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._manager = rfc2217.PortManager(self.port, self)
            self._connected.set()
            with contextlib.suppress(OSError), self._client:
                while data := self._client.recv(1024):
                    for byte in self._manager.filter(data):
                        self._received.put(byte)

    def write(self, data: bytes) -> None:
        """What the manager answers."""
        assert self._client is not None
        self._client.sendall(data)
