"""The gateway's connection to the broker, one for each board's connection that got as far as a CONNECT."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

LINGER = 5.0
"""Seconds that the broker gets to close its side after ours is closed."""


class UpstreamOwner(Protocol):
    """Whoever a board's connection is."""

    def from_broker(self, data: bytes) -> None: ...
    def broker_closed(self, how: str) -> None: ...
    def broker_is_slow(self, slow: bool) -> None: ...


class Upstream(asyncio.Protocol):
    """Bytes to and from the broker.

    `finish` closes our half alone and waits for the broker to close its own. Closing both at once with a message from
    the broker still unread would send RST, and that may overtake a DISCONNECT: a will for a device that left politely.
    """

    def __init__(self, owner: UpstreamOwner, gone: Callable[[Upstream], None]) -> None:
        self._owner: UpstreamOwner | None = owner
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def finish(self) -> None:
        """Send what is still to be sent, close our half, and let go of the owner."""
        self._owner = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        with contextlib.suppress(OSError, RuntimeError):
            transport.write_eof()
        transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(LINGER, transport.abort)

    def abort(self) -> None:
        """Close at once; what is still to be sent is lost."""
        self._owner = None
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._owner is not None:
            self._owner.from_broker(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        owner, self._owner = self._owner, None
        self._gone(self)
        if owner is not None:
            owner.broker_closed("fin" if error is None else "reset")

    def pause_writing(self) -> None:
        if self._owner is not None:
            self._owner.broker_is_slow(True)

    def resume_writing(self) -> None:
        if self._owner is not None:
            self._owner.broker_is_slow(False)


def upstream_socket(family: int) -> tuple[socket.socket, int]:
    """A socket that has its local port before it connects, so that the broker's log line about it finds the port
    known already. Returns it with that port."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
    except OSError:
        sock.close()
        raise
    return sock, sock.getsockname()[1]
