"""The SNTP server that boards ask for the time. It can lie, stay silent, refuse, or take its time.

    server = TimeServer(timeline, loop, boards={"esp32-a": 0})
    server.start()
    server.set(Offset(-365 * 86400), "esp32-a")

Each board has a port of its own, so that a request is known to be that board's. Boards whose firmware can only ask
port 123 share one: `shared` names it, and `board_of` tells boards apart by the address that they ask from.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from hil.background import Loop, LoopClosed
from hil.timeline import Timeline
from hil.wire.sntp import KISS_CODES, Request, SntpError, kiss, parse_request, response

Address = tuple[str, int]


class TimeServerError(Exception):
    """The time server cannot do what it was asked. The message says what was found and what helps."""


class Mode(Protocol):
    """How a request is answered: after `delay` seconds, with what `answer` makes; None is no answer.

    `answer` gets the request, and this host's time at its arrival and now, in seconds since 1970. `offset` is by how
    many seconds the answer is wrong, None where it holds no time.
    """

    @property
    def name(self) -> str: ...
    @property
    def delay(self) -> float: ...
    @property
    def offset(self) -> float | None: ...
    def answer(self, request: Request, received: float, now: float) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class TrueTime:
    """The time of this host."""

    name = "true"
    delay = 0.0
    offset = 0.0

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return response(request, received=received, transmitted=now)


@dataclass(frozen=True, slots=True)
class Offset:
    """A time that is wrong by `seconds`; negative ones lie in the past."""

    seconds: float
    name = "offset"
    delay = 0.0

    @property
    def offset(self) -> float:
        return self.seconds

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return response(request, received=received + self.seconds, transmitted=now + self.seconds)


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer, as behind a firewall that drops NTP."""

    name = "silent"
    delay = 0.0
    offset = None

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return None


@dataclass(frozen=True, slots=True)
class KissOfDeath:
    """A refusal: `code` is 'RATE' (ask less often), 'DENY' or 'RSTR' (do not ask again), or another word of up to four
    letters."""

    code: str = "RATE"
    name = "kiss-of-death"
    delay = 0.0
    offset = None

    def __post_init__(self) -> None:
        if not (1 <= len(self.code) <= 4 and self.code.isascii() and self.code.isalpha()):
            raise ValueError(
                f"kiss-of-death: code is {self.code!r}, expected up to four letters, such as {', '.join(KISS_CODES)}"
            )

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return kiss(request, self.code)


@dataclass(frozen=True, slots=True)
class Delayed:
    """The true time, `seconds` late. The timestamps say so (received then, transmitted now), so a client that still
    listens gets its clock right."""

    seconds: float
    name = "delayed"
    offset = 0.0

    def __post_init__(self) -> None:
        if self.seconds < 0:
            raise ValueError(f"delayed: seconds is {self.seconds}, expected 0 or more")

    @property
    def delay(self) -> float:
        return self.seconds

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return response(request, received=received, transmitted=now)


TRUE = TrueTime()


class TimeServer:
    """`boards`: name to UDP port, 0 for any free one. `shared`: one port for all of them instead, with `board_of`
    telling whose an address is. It listens on `bind` and nowhere else.

    All methods may be called from any thread but the loop's.
    """

    def __init__(
        self,
        timeline: Timeline,
        loop: Loop,
        *,
        bind: str = "127.0.0.1",
        boards: Mapping[str, int],
        shared: int | None = None,
        board_of: Callable[[str], str | None] | None = None,
        mode: Mode = TRUE,
    ) -> None:
        self._timeline = timeline
        self._loop = loop
        self._bind = bind
        self._boards = dict(boards)
        self._shared = shared
        self._board_of = board_of or (lambda address: None)
        self._mode = mode
        self._modes: dict[str, Mode] = {}
        self._ports: dict[str, int] = {}
        self._transports: list[asyncio.DatagramTransport] = []
        self._late: set[asyncio.TimerHandle] = set()

    def start(self) -> None:
        """Listen. Raises TimeServerError where that cannot be, with nothing left open."""
        self._loop.run(self._start())

    def close(self) -> None:
        """Stop listening; late answers are not sent any more. Closing twice does nothing."""
        with contextlib.suppress(LoopClosed):
            self._loop.call(self._close)

    def __enter__(self) -> TimeServer:
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def endpoint(self, board: str) -> tuple[str, int]:
        """The host and UDP port where `board` asks."""
        self._known(board)
        if board not in self._ports:
            raise TimeServerError("the time server is not listening yet; call start() first")
        return self._bind, self._ports[board]

    def set(self, mode: Mode, board: str | None = None) -> None:
        """Answer like this from the next request on; for all boards, or for one."""

        def setting() -> None:
            if board is None:
                self._mode = mode
                self._modes.clear()
            else:
                self._modes[board] = mode

        if board is not None:
            self._known(board)
        self._loop.call(setting)

    def mode(self, board: str | None = None) -> Mode:
        """How the next request of `board` is answered."""
        return self._modes.get(board, self._mode) if board is not None else self._mode

    # -- in the loop's thread --------------------------------------------------------------------------------------

    async def _start(self) -> None:
        try:
            if self._shared is not None:
                port = await self._listen(None, self._shared)
                self._ports = dict.fromkeys(self._boards, port)
            else:
                for board, wanted in self._boards.items():
                    self._ports[board] = await self._listen(board, wanted)
        except BaseException:
            self._close()
            raise

    async def _listen(self, board: str | None, port: int) -> int:
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Listener(self, board), local_addr=(self._bind, port)
            )
        except OSError as error:
            reason = error.strerror or str(error)
            cure = "ports below 1024 need root" if isinstance(error, PermissionError) else "choose another port, or 0"
            raise TimeServerError(
                f"the time server cannot listen on {self._bind}:{port} (UDP): {reason}; {cure}"
            ) from None
        self._transports.append(transport)
        found: socket.socket = transport.get_extra_info("socket")
        return int(found.getsockname()[1])

    def _close(self) -> None:
        for timer in self._late:
            timer.cancel()
        self._late.clear()
        for transport in self._transports:
            transport.close()
        self._transports.clear()
        self._ports.clear()

    def asked(
        self, board: str | None, transport: asyncio.DatagramTransport, data: bytes, peer: Address, received: float
    ) -> None:
        """A datagram has come."""
        board = board or self._board_of(peer[0])
        mode = self.mode(board)
        told = f"{peer[0]}:{peer[1]}"
        try:
            request = parse_request(data)
        except SntpError as error:
            self._timeline.record("time", "malformed", board, peer=told, reason=str(error))
            return
        self._timeline.record("time", "request", board, peer=told, mode=mode.name)
        if not mode.delay:
            self._answer(board, transport, mode, request, peer, received)
            return

        def late() -> None:
            self._late.discard(timer)
            self._answer(board, transport, mode, request, peer, received)

        timer: asyncio.TimerHandle = asyncio.get_running_loop().call_later(mode.delay, late)
        self._late.add(timer)

    def _answer(
        self,
        board: str | None,
        transport: asyncio.DatagramTransport,
        mode: Mode,
        request: Request,
        peer: Address,
        received: float,
    ) -> None:
        if transport.is_closing() or mode.answer(request, received, time.time()) is None:
            return
        # Told before it is sent, or a board could act on an answer that the timeline does not know yet; and stamped
        # last, so that between the stamp and the packet's leaving lie some 50 us.
        self._timeline.record("time", "answer", board, peer=f"{peer[0]}:{peer[1]}", mode=mode.name, offset=mode.offset)
        answer = mode.answer(request, received, time.time())
        if answer is not None:
            transport.sendto(answer, peer)

    def _known(self, board: str) -> None:
        if board not in self._boards:
            raise TimeServerError(
                f"the time server knows no board {board!r}; it has {', '.join(self._boards) or 'none'}"
            )


class _Listener(asyncio.DatagramProtocol):
    """One UDP port, of `board` or (None) of whoever asks."""

    def __init__(self, server: TimeServer, board: str | None) -> None:
        self._server = server
        self._board = board
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        received = time.time()
        if self._transport is not None:
            self._server.asked(self._board, self._transport, data, addr, received)
