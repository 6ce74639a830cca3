"""The gateway's connections to the broker, one for each board's connection that got as far as a CONNECT."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from hil.gateway.reading import read_buffer

LINGER = 5.0
"""Seconds that the broker gets to close its side after ours is closed."""
PORTS_REMEMBERED = 4096
"""Ports that stay known after their connection has ended: the broker's log comes through a pipe, and late."""


class UpstreamOwner(Protocol):
    """Whoever a board's connection is."""

    @property
    def number(self) -> int: ...
    @property
    def board(self) -> str: ...
    def upstream_opened(self, upstream: Upstream) -> None: ...
    def upstream_failed(self, reason: str) -> None: ...
    def from_broker(self, data: bytes) -> None: ...
    def broker_closed(self, how: str) -> None: ...
    def broker_is_slow(self, slow: bool) -> None: ...


class Upstream(asyncio.BufferedProtocol):
    """Bytes to and from the broker.

    `finish` closes our half alone and waits for the broker to close its own. Closing both at once with a message from
    the broker still unread would send RST, and that may overtake a DISCONNECT: a will for a device that left politely.
    """

    def __init__(self, owner: UpstreamOwner, gone: Callable[[Upstream], None]) -> None:
        self._owner: UpstreamOwner | None = owner
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._buffer = read_buffer()

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

    # -- asyncio.BufferedProtocol ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._owner is not None:
            self._owner.from_broker(bytes(self._buffer[:nbytes]))

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


class Upstreams:
    """All connections to one broker, and whose they are. In the loop's thread, but for `owner_of_port`."""

    def __init__(self, broker: tuple[str, int]) -> None:
        self._broker = broker
        self._open: set[Upstream] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._owners: OrderedDict[int, tuple[int, str]] = OrderedDict()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def open(self, owner: UpstreamOwner) -> None:
        """Connect to the broker on behalf of `owner`, which is told how that went."""
        task = asyncio.get_running_loop().create_task(self._connect(owner))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def owner_of_port(self, port: int) -> tuple[int, str] | None:
        """Number and board of the connection that the broker sees coming from this local port. From any thread."""
        return self._owners.get(port)

    async def close(self) -> None:
        """Give up what is being opened and close what is open, at once."""
        for task in list(self._opening):
            task.cancel()
        if self._opening:
            await asyncio.gather(*self._opening, return_exceptions=True)
        for upstream in list(self._open):
            upstream.abort()

    async def _connect(self, owner: UpstreamOwner) -> None:
        host, port = self._broker
        loop = asyncio.get_running_loop()
        sock: socket.socket | None = None
        try:
            family, address = await _resolve(host, port)
            sock, local = upstream_socket(family)
            self._remember(local, owner)
            await loop.sock_connect(sock, address)
            _, upstream = await loop.create_connection(partial(self._new, owner), sock=sock)
        except OSError as error:
            if sock is not None:
                sock.close()
            owner.upstream_failed(f"the broker at {host}:{port} is not there: {error.strerror or error}")
            return
        except asyncio.CancelledError:
            if sock is not None:
                sock.close()
            raise
        owner.upstream_opened(upstream)

    def _new(self, owner: UpstreamOwner) -> Upstream:
        upstream = Upstream(owner, self._open.discard)
        self._open.add(upstream)
        return upstream

    def _remember(self, port: int, owner: UpstreamOwner) -> None:
        self._owners.pop(port, None)
        self._owners[port] = (owner.number, owner.board)
        while len(self._owners) > PORTS_REMEMBERED:
            self._owners.popitem(last=False)


async def _resolve(host: str, port: int) -> tuple[int, Any]:
    """Family and address of a TCP endpoint. A number needs no resolver, and no thread to wait for one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return found[0][0], found[0][4]
