"""The USB-UART bridge of the dev kit, reachable over RFC 2217 (telnet's COM port option).

The bridge has its supply from USB: the port can be reached while the chip is without power. One client at a time; a
second one waits a moment for the first to leave, then is turned away. What the chip says while nobody is connected is
lost, as it is with a port that nobody has open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Protocol, cast

from serial.rfc2217 import IAC, IAC_DOUBLED, M_NORMAL, PortManager

HANDOVER = 2.0
"""Seconds that a new client waits for the one before to be gone."""
MOST_UNSENT = 16 << 20
"""Bytes kept for a client that does not read; beyond that the chip's output is lost, as in any bridge."""
MOST_EARLY = 65536
"""Bytes taken from a client that waits for its turn."""
LOG = logging.getLogger(__name__)


class Wires(Protocol):
    """The board's end of the bridge."""

    def lines_changed(self, dtr: bool, rts: bool) -> None:
        """DTR or RTS was set or dropped (true: asserted)."""

    def receive(self, data: bytes) -> None:
        """Bytes for the chip's RX pin."""


class Port:
    """What PortManager takes for a pyserial port: settings, and the control lines that act on the board."""

    def __init__(self, wires: Wires, on_rate: Callable[[int], None] = lambda baud: None) -> None:
        self._baudrate = 115200
        self._on_rate = on_rate
        self.bytesize = 8
        self.parity = "N"
        self.stopbits = 1
        self.xonxoff = False
        self.rtscts = False
        self.break_condition = False
        self.cts = self.dsr = self.ri = self.cd = False
        self._wires = wires
        self._dtr = self._rts = False

    @property
    def baudrate(self) -> int:
        """bit/s."""
        return self._baudrate

    @baudrate.setter
    def baudrate(self, baud: int) -> None:
        changed, self._baudrate = baud != self._baudrate, baud
        if changed:
            self._on_rate(baud)

    @property
    def dtr(self) -> bool:
        """Data terminal ready."""
        return self._dtr

    @dtr.setter
    def dtr(self, asserted: bool) -> None:
        self.set_lines(bool(asserted), self._rts)

    @property
    def rts(self) -> bool:
        """Request to send."""
        return self._rts

    @rts.setter
    def rts(self, asserted: bool) -> None:
        self.set_lines(self._dtr, bool(asserted))

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """Set both at once, as an operating system does when a port is closed."""
        if (dtr, rts) != (self._dtr, self._rts):
            self._dtr, self._rts = dtr, rts
            self._wires.lines_changed(dtr, rts)

    def reset_input_buffer(self) -> None:
        """Nothing is buffered here."""

    def reset_output_buffer(self) -> None:
        """Nothing is buffered here."""


class SerialServer:
    """Listens; connects one client at a time with `wires`."""

    def __init__(self, wires: Wires, port: Port | None = None) -> None:
        self.port = port or Port(wires)
        self.wires = wires
        self._servers: list[asyncio.Server] = []
        self._client: _Client | None = None
        self._free = asyncio.Event()
        self._free.set()

    async def start(self, bind: str, port: int) -> int:
        """Listen on `bind`:`port` (0: any free one); returns the port. Raises OSError if that cannot be had."""
        return await self._listen(lambda: _Client(self), bind, port)

    async def start_raw(self, bind: str, port: int, rate: int) -> int:
        """Listen for programs that speak no RFC 2217, as `start` does; their line runs at `rate` bit/s."""
        return await self._listen(lambda: _RawClient(self, rate), bind, port)

    async def _listen(self, client: Callable[[], _Client], bind: str, port: int) -> int:
        server = await asyncio.get_running_loop().create_server(client, bind, port)
        self._servers.append(server)
        number: int = server.sockets[0].getsockname()[1]
        return number

    def send(self, data: bytes) -> None:
        """Bytes from the chip's TX pin, to whoever is connected."""
        if self._client is not None:
            self._client.send(data)

    async def close(self) -> None:
        """Stop listening and drop the client."""
        for server in self._servers:
            server.close()
        if self._client is not None:
            self._client.transport.close()

    async def admit(self, client: _Client) -> None:
        """Connect a client, when there is room for it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._free.wait(), HANDOVER)
        if client.transport.is_closing():
            return
        if self._client is not None:
            LOG.warning("a second client was turned away: the serial port is in use")
            client.transport.close()
            return
        self._client = client
        self._free.clear()
        client.begin()

    def left(self, client: _Client) -> None:
        """A client is gone; its operating system has dropped both lines."""
        if self._client is client:
            self._client = None
            self._free.set()
            self.port.set_lines(False, False)


class _Client(asyncio.Protocol):
    """One telnet connection. PortManager answers its options and control requests; the rest is the wire's."""

    transport: asyncio.Transport

    def __init__(self, server: SerialServer) -> None:
        self._server = server
        self._manager: PortManager | None = None
        self._admission: asyncio.Task[None] | None = None
        self._early = bytearray()  # what it sends while it waits: some tens of bytes of telnet options

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._admission = asyncio.create_task(self._server.admit(self))

    def begin(self) -> None:
        """This client has the port now."""
        # PortManager needs only what Port and this class have, but is typed for a real port.
        self._manager = PortManager(cast(Any, self._server.port), cast(Any, self))
        early = bytes(self._early)
        self._early.clear()
        self.data_received(early)

    def data_received(self, data: bytes) -> None:
        if self._manager is None:
            # Not pause_reading: in Python 3.11.2 it has no effect when connection_made calls it.
            self._early += data
            if len(self._early) > MOST_EARLY:
                self.transport.close()
            return
        plain = _plain(self._manager, data)
        if plain:
            self._server.wires.receive(plain)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.left(self)

    def write(self, data: bytes) -> None:
        """Called by PortManager: telnet options and answers."""
        self.transport.write(data)

    def send(self, data: bytes) -> None:
        """The chip's bytes, telnet's escape doubled."""
        if self.transport.get_write_buffer_size() < MOST_UNSENT:
            self.transport.write(data.replace(b"\xff", b"\xff\xff"))


def _plain(manager: PortManager, data: bytes) -> bytes:
    """The wire's bytes in what came from a client. PortManager looks at each; most often none is an order to it."""
    amid_an_order = manager.mode != M_NORMAL or manager.suboption is not None
    if not amid_an_order and IAC not in data.replace(IAC_DOUBLED, b""):
        return data.replace(IAC_DOUBLED, IAC)
    return b"".join(manager.filter(data))


class _RawClient(_Client):
    """A plain TCP connection. Opening it asserts DTR and RTS, as opening a tty does: an Uno is reset by that."""

    def __init__(self, server: SerialServer, rate: int) -> None:
        super().__init__(server)
        self._rate = rate
        self._admitted = False

    def begin(self) -> None:
        """This client has the port now."""
        self._admitted = True
        self._server.port.baudrate = self._rate
        self._server.port.set_lines(True, True)
        early = bytes(self._early)
        self._early.clear()
        self.data_received(early)

    def data_received(self, data: bytes) -> None:
        if self._admitted and data:
            self._server.wires.receive(data)
        elif not self._admitted:
            super().data_received(data)

    def send(self, data: bytes) -> None:
        if self.transport.get_write_buffer_size() < MOST_UNSENT:
            self.transport.write(data)
