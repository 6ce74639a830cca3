"""The gateway: what boards connect to, in front of the broker.

    gateway = Gateway(timeline, loop, boards={"esp32-a": 0}, upstream=("127.0.0.1", 1883),
                      server=ServerIdentity(chain, key), client_ca=ca)
    gateway.start()
    host, port = gateway.endpoint("esp32-a")
    ...
    gateway.close()

Each board has a listener of its own, so that what happens before a name is known (a refused certificate, plain MQTT
on the TLS port) is still known to be that board's. The gateway listens on `bind` and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from hil.background import Loop, LoopClosed
from hil.gateway.connection import Connection
from hil.gateway.crowd import Refusal
from hil.gateway.device import DeviceSide, Session
from hil.gateway.faults import ArmedFault, Armory, Fault
from hil.gateway.faults.fault import Admission
from hil.gateway.house import House
from hil.gateway.limits import Limits
from hil.gateway.policy import PERMISSIVE, Policy
from hil.gateway.register import Register
from hil.gateway.tls import ClearSession, Identity, ServerContext, TlsSession, TlsSettings, make_context
from hil.gateway.upstream import UpstreamOwner, Upstreams
from hil.schedule import ALWAYS, Schedule
from hil.timeline import Row, Timeline


class GatewayError(Exception):
    """The gateway cannot do what it was asked. The message says what was found and what helps."""


@dataclass(frozen=True, slots=True)
class Live:
    """A connection that is open now. `seconds` since its accept; `client_id` is None before CONNECT."""

    connection: int
    board: str
    peer: str
    client_id: str | None
    seconds: float


class Gateway:
    """Terminates TLS, speaks MQTT, records everything, plays a broker's policy and injects faults.

    `boards`: name to port, 0 for any free one. `upstream`: the broker's host and port. `server`: the certificate that
    boards see, None for plain MQTT without TLS. `client_ca`: PEM of the authorities whose client certificates are
    required; None asks for none. `policy`: what the broker allows, for each board until `set_policy`.

    All methods may be called from any thread but the loop's.
    """

    def __init__(
        self,
        timeline: Timeline,
        loop: Loop,
        *,
        bind: str = "127.0.0.1",
        boards: Mapping[str, int],
        upstream: tuple[str, int],
        server: Identity | None,
        client_ca: bytes | None,
        policy: Policy = PERMISSIVE,
        keep_alive_grace: float = 1.5,
        partial_chain: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._timeline = timeline
        self._loop = loop
        self._bind = bind
        self._boards = dict(boards)
        self._policy = policy
        self._policies: dict[str, Policy] = {}
        self.limits = limits or Limits(keep_alive_grace=keep_alive_grace)
        self._settings = (
            None if server is None else TlsSettings(server.chain_pem, server.key_pem, client_ca, partial_chain)
        )
        self._contexts: OrderedDict[TlsSettings, ServerContext] = OrderedDict()
        if self._settings is not None:
            self._context(self._settings)  # a bad PEM is told here, not at a board's first connect
        self._armory = Armory(timeline, self._clear)
        self._register = Register(time.monotonic)
        self._house = House(self.limits, lambda board, data: timeline.record("gateway", "refused", board, **data))
        self._stations = {name: Station(self, name) for name in self._boards}
        self._ports: dict[str, int] = {}
        self._upstreams = Upstreams(upstream)
        self._newest: dict[str, Connection] = {}
        self._count = 0
        self._closed = False

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen for every board. Raises GatewayError where that cannot be, with nothing left open."""
        self._loop.run(self._start())

    def serve(self, board: str, port: int = 0) -> None:
        """Listen for one more board, from now on; for one that is served already this does nothing.

        Raises GatewayError where that cannot be.
        """

        def serving() -> None:
            if board not in self._ports:
                self._listen(board, port)

        self._loop.call(serving)

    def close(self) -> None:
        """Stop listening, end every connection, clear every fault. Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(LoopClosed):
                self._loop.run(self._close())

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def endpoint(self, board: str) -> tuple[str, int]:
        """The host and the port on which `board` is served. Raises GatewayError for a board that it does not know."""
        self._known(board)
        if board not in self._ports:
            raise GatewayError("the gateway is not listening yet; call start() first")
        return self._bind, self._ports[board]

    # -- policy and faults -----------------------------------------------------------------------------------------

    def policy(self, board: str) -> Policy:
        """The policy that the next CONNECT of `board` meets."""
        self._known(board)
        return self._policies.get(board, self._policy)

    def set_policy(self, policy: Policy, board: str | None = None) -> None:
        """Play `policy` for connections from their next CONNECT on; for all boards, or for one.

        It begins with a clean slate: rates are counted anew, and whose the sessions are that wait for their clients is
        forgotten. Connections that are open stay known.
        """

        def set_it() -> None:
            self._register.forget()
            if board is None:
                self._policy = policy
                self._policies.clear()
            else:
                self._policies[board] = policy

        if board is not None:
            self._known(board)
        self._loop.call(set_it)

    def arm(self, fault: Fault, board: str | None = None, when: Schedule = ALWAYS) -> ArmedFault:
        """Put a fault in force, on one board or on all, and return the handle that clears it.

        `when` says which occasions meet it. Raises ValueError for a fault that could not be played, such as a
        certificate that does not fit its key.
        """
        if board is not None:
            self._known(board)

        def arming() -> ArmedFault:
            if self._settings is not None:
                self._context(fault.tls(self._settings))
            handle = self._armory.arm(fault, board, when)
            for connection in self._open(board) if fault.joins_open else ():
                connection.join(handle)
            return handle

        return self._loop.call(arming)

    def clear_faults(self, board: str) -> None:
        """Clear the faults that were armed for this board alone, and what is still felt of those that are over."""
        self._known(board)

        def clearing() -> None:
            for handle in self._armory.of_board(board):
                self._armory.clear(handle)

        self._loop.call(clearing)

    @contextlib.contextmanager
    def fault(self, fault: Fault, board: str | None = None, when: Schedule = ALWAYS) -> Iterator[ArmedFault]:
        """`arm`, and `clear` at the end of the block."""
        with self.arm(fault, board, when) as handle:
            yield handle

    # -- connections -----------------------------------------------------------------------------------------------

    def connections(self, board: str | None = None) -> list[Live]:
        """The connections that are open now, the oldest first."""

        def listing() -> list[Live]:
            now = asyncio.get_running_loop().time()
            return [Live(c.number, c.board, c.peer, c.client_id, now - c.accepted) for c in self._open(board)]

        return self._loop.call(listing)

    def drop(self, board: str | None = None, how: Literal["reset", "fin"] = "reset") -> int:
        """Cut the open connections off, as a network that fails or a broker that restarts does; returns how many."""
        if how not in ("reset", "fin"):
            raise ValueError(f"drop: how is {how!r}, expected 'reset' or 'fin'")
        if board is not None:
            self._known(board)

        def dropping() -> int:
            victims = self._open(board)
            for connection in victims:
                connection.end("gateway", how)
            return len(victims)

        return self._loop.call(dropping)

    def owner_of_port(self, port: int) -> tuple[int, str] | None:
        """Which connection of which board the broker sees coming from this local port. From any thread."""
        return self._upstreams.owner_of_port(port)

    def board_of_port(self, port: int) -> str | None:
        """The board alone: what a broker needs in order to say whose a line of its log is."""
        owner = self._upstreams.owner_of_port(port)
        return owner[1] if owner else None

    # -- inside, in the loop's thread ------------------------------------------------------------------------------

    async def _start(self) -> None:
        try:
            for board, port in self._boards.items():
                self._listen(board, port)
        except BaseException:
            await self._close()
            raise

    def _listen(self, board: str, port: int) -> None:
        sock = self._bound(board, port)
        self._boards[board] = port
        self._ports[board] = sock.getsockname()[1]
        self._house.open(sock, self._stations.setdefault(board, Station(self, board)))

    def _bound(self, board: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._bind else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self._bind, port))
        except OSError as error:
            sock.close()
            cure = "choose another port, or 0 for any free one" if port else "give an address of this host"
            raise GatewayError(
                f"the gateway cannot listen on {self._bind}:{port} for {board}: {error.strerror}; {cure}"
            ) from None
        return sock

    async def _close(self) -> None:
        self._house.close_doors()
        for connection in list(self._house.connections):
            connection.end("gateway", "shutdown")
            connection.device.abort()
        await self._upstreams.close()
        self._armory.clear_all("shutdown")
        await asyncio.sleep(0)  # let the transports call connection_lost
        await asyncio.sleep(0)

    def _clear(self, handle: ArmedFault) -> None:
        with contextlib.suppress(LoopClosed):
            self._loop.call(lambda: self._armory.clear(handle))

    def _open(self, board: str | None) -> list[Connection]:
        """The connections that are open now, the oldest first."""
        found = (c for c in self._house.connections if not c.over and board in (None, c.board))
        return sorted(found, key=lambda c: c.number)

    def _context(self, settings: TlsSettings) -> ServerContext:
        settings = settings.for_context()
        if not settings.resume:
            return make_context(settings)  # of its own: it knows no session of before, by ticket or by id
        context = self._contexts.get(settings)
        if context is None:
            context = self._contexts[settings] = make_context(settings)
            if len(self._contexts) > 64:
                self._contexts.popitem(last=False)
        return context

    def _known(self, board: str) -> None:
        if board not in self._boards:
            raise GatewayError(f"the gateway knows no board {board!r}; it has {', '.join(self._boards) or 'none'}")


class Station:
    """What the connections of one board may ask of the gateway. In the loop's thread alone."""

    def __init__(self, gateway: Gateway, board: str) -> None:
        self._gateway = gateway
        self.board = board
        self.limits = gateway.limits
        self.register = gateway._register
        self._house = gateway._house
        self._timeline = gateway._timeline

    def record(self, rows: list[Row]) -> None:
        self._timeline.record_all("gateway", self.board, rows)

    def next_number(self) -> int:
        self._gateway._count += 1
        return self._gateway._count

    def arrived(self, connection: Connection) -> None:
        self._house.connections.add(connection)

    def left(self, connection: Connection) -> None:
        self._house.left(connection)

    def may_enter(self, peer: str, file: int) -> Refusal | None:
        return self._house.may_enter(self.board, peer, file)

    def turned_away(self, peer: str, port: int, refusal: Refusal) -> None:
        self._house.turned_away(self.board, peer, port, refusal)

    def enter(self, peer: str) -> DeviceSide:
        return Connection(self, peer).device

    def hold(self, change: int) -> bool:
        return self._house.hold(change)

    def admit(self, connection: Connection) -> tuple[Admission, ArmedFault] | None:
        return self._gateway._armory.admit(self.board, connection.number)

    def session(self, connection: Connection) -> Session:
        settings = self._gateway._settings
        if settings is None:
            return ClearSession()
        settings = self._gateway._armory.tls(settings, self.board, connection)
        return TlsSession(self._gateway._context(settings), settings.script)

    def play(self, connection: Connection) -> None:
        """Let the armed faults play on a new connection, the oldest first."""
        for handle in list(self._gateway._armory.armed):
            if handle.concerns(self.board) and not connection.over:
                connection.join(handle)

    def policy(self) -> Policy:
        return self._gateway.policy(self.board)

    def identified(self, connection: Connection) -> None:
        """A CONNECT came: from now on this is the newest connection of its client id."""
        if connection.client_id:
            self._gateway._newest[connection.client_id] = connection

    def superseded(self, connection: Connection) -> bool:
        """Whether another connection has come with the same client id."""
        newest = self._gateway._newest.get(connection.client_id or "")
        return newest is not None and newest is not connection

    def ended(self, connection: Connection) -> None:
        if connection.client_id and self._gateway._newest.get(connection.client_id) is connection:
            del self._gateway._newest[connection.client_id]

    def open_upstream(self, owner: UpstreamOwner) -> None:
        self._gateway._upstreams.open(owner)
