"""The virtual board's radio: the only way from its firmware to the network, and the thing that goes silent.

A process that dies says goodbye whether it wants to or not: its kernel closes its sockets, and the peer sees FIN. A
board that loses power says nothing. So the firmware's process owns no outside socket. It asks the radio, which lives
in the supervisor, to connect; it gets one end of a socket pair, and the radio carries the bytes. When the power is
cut, the radio stops carrying and keeps the outside socket open and mute: the peer is left with a half-open
connection, as a real one is.

What happens to a connection:

| event                                 | outside                                                          |
|---------------------------------------|------------------------------------------------------------------|
| the firmware closes it                | everything it wrote is sent, then FIN                            |
| cut(): power cut, reset, panic        | nothing: no FIN, no RST; the socket becomes an orphan            |
| the next boot joins the Wi-Fi         | an orphan at which data or a FIN has arrived, or arrives, answers |
|                                       | RST: the new boot's TCP knows no such connection (RFC 9293, 3.5.1) |
| down(): the access point is gone      | nothing; the connection stays, and goes on after up()            |

No byte is lost on the way: a direction is read only when all that was read before is written, so a slow reader slows
the writer down (see carrier.py).

One thing differs from a real power cut: the host's kernel still acknowledges what the peer sends to an orphan, up to
its small receive buffer, where a dead board would let the peer retransmit.

Messages between firmware and radio are dictionaries (JSON on the link):

    to the radio: {"do": "associate", "ssid", "password"}, {"do": "connect", "id", "host", "port"},
                  {"do": "close", "id"}, {"do": "datagram", "id", "host", "port", "data" (hex)}
    to the core:  {"event": "associated" | "no-ap" | "wrong-password" | "link-lost"},
                  {"event": "connected", "id"} and a file descriptor, {"event": "failed", "id", "phase", "error"},
                  {"event": "ended", "id", "how": "fin" | "reset", "error"}, {"event": "datagram", "id", "data" (hex)}

`close` also abandons an attempt to connect. `error` is the name of an errno ('ECONNREFUSED'): the numbers of the
chip's C library differ from the host's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from hil.virtual.carrier import Connection, error_name

SOCKET_BUFFER = 16384
"""Send and receive buffer of an outside socket, in bytes (the kernel doubles it). A chip has little memory, so a peer
that writes to a stalled board must feel it soon."""

MAX_ORPHANS = 256
"""Half-open connections kept at once; beyond that the oldest is reset, for file descriptors are not endless."""

Deliver = Callable[[dict[str, Any], "socket.socket | None"], None]
"""How the radio tells the firmware something. A socket that comes along is handed over: the callee closes it."""


def _reset(sock: socket.socket) -> None:
    """Close with RST: a linger time of zero (SO_LINGER in socket(7))."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _is_address(host: str) -> bool:
    """Whether it is an address, for which no name server is asked."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Datagrams(asyncio.DatagramProtocol):
    """One UDP socket of the firmware, connected to one address."""

    def __init__(self, radio: Radio, ident: int, first: bytes) -> None:
        self._radio = radio
        self._ident = ident
        self._first = first
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.sendto(self._first)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._radio.is_joined:
            self._radio.tell({"event": "datagram", "id": self._ident, "data": data.hex()})

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError) and self._radio.is_joined:
            self._radio.tell({"event": "failed", "id": self._ident, "phase": "datagram", "error": error_name(exc)})


class Radio:
    """One board's radio. Made once for the board, starts up; all methods belong to the supervisor's asyncio loop.

    `name` is the board's. `networks` maps each network's name to its password; None means that whatever network the
    firmware looks for is there, and its password right. `speed` is not needed here: the firmware does the waiting
    that stands for slow hardware.
    """

    def __init__(self, *, name: str = "board", speed: float = 1.0, networks: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.speed = speed
        self._networks = networks
        self.resolves = True
        """Whether the network's name server answers."""
        self._is_up = True
        self._joined = asyncio.Event()
        self._boot = 0
        self._deliver: Deliver | None = None
        self._connections: dict[int, Connection] = {}
        self._datagrams: dict[int, asyncio.DatagramTransport] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._orphans: dict[socket.socket, None] = {}

    @property
    def is_up(self) -> bool:
        """Whether the access point can be reached."""
        return self._is_up

    @property
    def is_joined(self) -> bool:
        """Whether the present firmware has joined the network, and it is there."""
        return self._joined.is_set()

    @property
    def orphans(self) -> int:
        """How many connections of earlier boots are half-open."""
        return len(self._orphans)

    def up(self) -> None:
        """The access point is back. The firmware has to join again; its connections go on when it has."""
        self._is_up = True

    def down(self) -> None:
        """The access point is gone: nothing is carried. The firmware is told, as its Wi-Fi driver would be."""
        self._is_up = False
        if self.is_joined:
            self._part()
            self.tell({"event": "link-lost"})

    def cut(self) -> None:
        """Power cut, reset or panic: carry nothing more, send neither FIN nor RST. Cutting twice does nothing."""
        self._deliver = None
        self._boot += 1
        self._part()
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        for transport in self._datagrams.values():
            transport.abort()
        self._datagrams.clear()
        for connection in self._connections.values():
            self._adopt(connection.orphan())
        self._connections.clear()

    async def close(self) -> None:
        """The supervisor ends: close everything. The peers see what their kernel makes of it."""
        tasks = list(self._tasks.values())
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        for orphan in self._orphans:
            _reset(orphan)
        self._orphans.clear()

    # -- towards the core -----------------------------------------------------------------------------------------

    def attach(self, deliver: Deliver) -> None:
        """A new boot: its core listens with `deliver`, until `cut`."""
        self.cut()
        self._deliver = deliver

    def tell(self, message: dict[str, Any], sock: socket.socket | None = None) -> None:
        """Tell the core, if there is one; otherwise let go of the socket that was meant for it."""
        if self._deliver is not None:
            self._deliver(message, sock)
        elif sock is not None:
            sock.close()

    def request(self, message: Mapping[str, Any]) -> None:
        """What the core asks for (see the list above). Raises ValueError for what is not in it."""
        match message["do"]:
            case "associate":
                self._associate(str(message["ssid"]), str(message["password"]))
            case "connect" if not self.is_joined:
                self.tell({"event": "failed", "id": message["id"], "phase": "connect", "error": "EHOSTUNREACH"})
            case "datagram" if not self.is_joined:
                pass  # as on a real board: a datagram into the void is no error
            case "connect":
                self._start(message["id"], self._connect(message["id"], message["host"], message["port"]))
            case "datagram":
                data = bytes.fromhex(message["data"])
                self._start(message["id"], self._datagram(message["id"], message["host"], message["port"], data))
            case "close":
                self._close(message["id"])
            case other:
                raise ValueError(f"the radio of {self.name} was asked to {other!r}, which it does not know")

    def _associate(self, ssid: str, password: str) -> None:
        if not self._is_up or (self._networks is not None and ssid not in self._networks):
            self.tell({"event": "no-ap"})
            return
        if self._networks is not None and self._networks[ssid] != password:
            self.tell({"event": "wrong-password"})
            return
        self._joined.set()
        for connection in self._connections.values():
            connection.run()
        loop = asyncio.get_running_loop()
        for orphan in self._orphans:
            loop.add_reader(orphan, self._answer_reset, orphan)
        self.tell({"event": "associated"})

    def _part(self) -> None:
        self._joined.clear()
        for connection in self._connections.values():
            connection.pause()
        loop = asyncio.get_running_loop()
        for orphan in self._orphans:
            loop.remove_reader(orphan)

    def _adopt(self, orphan: socket.socket) -> None:
        self._orphans[orphan] = None
        if self.is_joined:
            asyncio.get_running_loop().add_reader(orphan, self._answer_reset, orphan)
        if len(self._orphans) > MAX_ORPHANS:
            oldest = next(iter(self._orphans))
            del self._orphans[oldest]
            _reset(oldest)

    def _answer_reset(self, orphan: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(orphan)
        self._orphans.pop(orphan, None)
        _reset(orphan)

    def _forget(self, ident: int) -> None:
        self._connections.pop(ident, None)

    def _start(self, ident: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[ident] = task
        task.add_done_callback(lambda done: self._tasks.pop(ident, None) if self._tasks.get(ident) is done else None)

    def _close(self, ident: int) -> None:
        task = self._tasks.pop(ident, None)
        if task is not None:
            task.cancel()
        transport = self._datagrams.pop(ident, None)
        if transport is not None:
            transport.abort()
        connection = self._connections.get(ident)
        if connection is not None:
            connection.close()

    async def _resolve(self, host: str, port: int, kind: socket.SocketKind) -> tuple[Any, ...]:
        """The first address of the name, IPv4 before IPv6; raises OSError (gaierror) if there is none.

        Names below .invalid have none, and nobody is asked for them (RFC 6761, section 6.4).
        """
        if host.rstrip(".").lower().endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if not self.resolves and not _is_address(host):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)
        return min(found, key=lambda entry: entry[0] != socket.AF_INET)

    async def _connect(self, ident: int, host: str, port: int) -> None:
        try:
            family, kind, proto, _, address = await self._resolve(host, port, socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # UnicodeError: no name at all, such as a label of more than 63 characters
            self.tell({"event": "failed", "id": ident, "phase": "resolve", "error": "ENOENT"})
            return
        boot = self._boot
        outside = socket.socket(family, kind, proto)
        outside.setblocking(False)
        outside.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        outside.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        outside.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(outside, address)
            await self._joined.wait()  # lost in the meantime: the answer to our SYN has not arrived yet
        except asyncio.CancelledError:
            if boot == self._boot:
                outside.close()  # the firmware gave up waiting
            else:
                self._adopt(outside)  # power cut; perhaps connected already, and the peer must not see it end
            raise
        except OSError as error:
            outside.close()
            self.tell({"event": "failed", "id": ident, "phase": "connect", "error": error_name(error)})
            return
        inside, core_end = socket.socketpair()
        inside.setblocking(False)

        def ended(how: str, error: str | None) -> None:
            self.tell({"event": "ended", "id": ident, "how": how, "error": error})

        connection = Connection(outside, inside, ended, lambda: self._forget(ident))
        self._connections[ident] = connection
        self.tell({"event": "connected", "id": ident}, core_end)
        connection.run()

    async def _datagram(self, ident: int, host: str, port: int, data: bytes) -> None:
        try:
            family, _, _, _, address = await self._resolve(host, port, socket.SOCK_DGRAM)
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Datagrams(self, ident, data), remote_addr=address[:2], family=family
            )
        except (socket.gaierror, UnicodeError):
            self.tell({"event": "failed", "id": ident, "phase": "resolve", "error": "ENOENT"})
            return
        except OSError as error:
            self.tell({"event": "failed", "id": ident, "phase": "datagram", "error": error_name(error)})
            return
        self._datagrams[ident] = transport
