"""The sockets of the time server: whose request it is, which mode answers it, and what the timeline is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

from hil.background import Loop, LoopClosed
from hil.schedule import ALWAYS, Schedule
from hil.timeline import Event, Timeline
from hil.timeserver.armed import ArmedMode, Stack
from hil.timeserver.modes import TRUE, Mode, Plain
from hil.wire.sntp import Request, SntpError, parse_request

Address = tuple[str, int]


class TimeServerError(Exception):
    """The time server cannot do what it was asked. The message says what was found and what helps."""


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
        self._stack = Stack(mode)
        self._ends: dict[ArmedMode, asyncio.TimerHandle] = {}
        self._waiting: tuple[ArmedMode, ...] = ()  # for the event that their schedules begin with
        self._hushed: Callable[[], None] | None = None
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

    def set(self, mode: Mode, board: str | None = None, when: Schedule = ALWAYS) -> None:
        """Answer like this from the next request on; for all boards, or for one.

        Without a schedule it takes the place of whatever was set before, for that board or for all. With one it lies
        on top of it: requests that the schedule lets pass, and those after its end, are answered as before. Each
        change is an event `time` `fault` (armed, applied, cleared).
        """

        def setting() -> None:
            if when != ALWAYS:
                self._arm(mode, board, when)
                return
            self._drop(board, "set anew")
            if self._stack.standing(board) != mode:
                self._arm(mode, board, when)

        if board is not None:
            self._known(board)
        self._loop.call(setting)

    def arm(self, mode: Mode, board: str | None = None, when: Schedule = ALWAYS) -> ArmedMode:
        """Answer like this until the handle is cleared or the schedule is over; then as before. For all, or one."""
        if board is not None:
            self._known(board)
        return self._loop.call(lambda: self._arm(mode, board, when))

    @contextlib.contextmanager
    def fault(self, mode: Mode, board: str | None = None, when: Schedule = ALWAYS) -> Iterator[ArmedMode]:
        """`arm`, and clear at the end of the block."""
        with self.arm(mode, board, when) as handle:
            yield handle

    def mode(self, board: str | None = None) -> Mode:
        """How the next request of `board` is answered if no schedule has its say; None: of a board with no mode of
        its own."""
        return self._loop.call(lambda: self._stack.standing(board))

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
        self._drop(None, "shutdown")
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
        told = f"{peer[0]}:{peer[1]}"
        try:
            request = parse_request(data)
        except SntpError as error:
            self._timeline.record("time", "malformed", board, peer=told, reason=str(error))
            return
        now = time.monotonic()
        mode, armed = self._stack.take(board, now)
        name = armed.mode.name if armed else mode.name
        self._timeline.record("time", "request", board, peer=told, mode=name)
        if armed is not None:
            armed.tell_applied(board)
            if armed.clockwork.over(now):
                self._end(armed, "count reached" if armed.clockwork.spent else "time is up")
        if not mode.delay:
            self._answer(board, transport, name, mode, request, peer, received)
            return

        def late() -> None:
            self._late.discard(timer)
            self._answer(board, transport, name, mode, request, peer, received)

        timer: asyncio.TimerHandle = asyncio.get_running_loop().call_later(mode.delay, late)
        self._late.add(timer)

    def _answer(
        self,
        board: str | None,
        transport: asyncio.DatagramTransport,
        name: str,
        mode: Plain,
        request: Request,
        peer: Address,
        received: float,
    ) -> None:
        if transport.is_closing() or mode.answer(request, received, time.time()) is None:
            return
        # Told before it is sent, or a board could act on an answer that the timeline does not know yet; and stamped
        # last, so that between the stamp and the packet's leaving lie some 50 us.
        self._timeline.record("time", "answer", board, peer=f"{peer[0]}:{peer[1]}", mode=name, offset=mode.offset)
        answer = mode.answer(request, received, time.time())
        if answer is not None:
            transport.sendto(answer, peer)

    # -- modes, in the loop's thread -------------------------------------------------------------------------------

    def _arm(self, mode: Mode, board: str | None, when: Schedule) -> ArmedMode:
        handle = ArmedMode(mode, board, when, time.monotonic(), self._record_fault, self._clear)
        self._stack.armed.append(handle)
        if when.after is not None:
            self._waiting += (handle,)
            if self._hushed is None:
                self._hushed = self._timeline.listen(self._heard)
        self._set_end(handle)
        return handle

    def _set_end(self, handle: ArmedMode) -> None:
        """Set the timer for the end of a schedule that is known by now."""
        ends = handle.clockwork.ends()
        if ends is not None and not handle.cleared and handle not in self._ends:
            delay = max(0.0, ends - time.monotonic())
            self._ends[handle] = asyncio.get_running_loop().call_later(delay, self._end, handle, "time is up")

    def _heard(self, event: Event) -> None:
        """In the recording thread: an event that a schedule may begin with."""
        for handle in self._waiting:
            if handle.clockwork.note_event(event):
                self._loop.soon(partial(self._begin, handle))

    def _begin(self, handle: ArmedMode) -> None:
        self._waiting = tuple(one for one in self._waiting if one is not handle)
        self._set_end(handle)

    def _end(self, handle: ArmedMode, why: str) -> None:
        timer = self._ends.pop(handle, None)
        if timer is not None:
            timer.cancel()
        self._stack.remove(handle, why)
        self._waiting = tuple(one for one in self._waiting if one is not handle)
        if not self._waiting and self._hushed is not None:
            self._hushed()
            self._hushed = None

    def _drop(self, board: str | None, why: str) -> None:
        """End the modes of one board, or (None) all."""
        for handle in [one for one in self._stack.armed if board in (None, one.board)]:
            self._end(handle, why)

    def _clear(self, handle: ArmedMode) -> None:
        with contextlib.suppress(LoopClosed):
            self._loop.call(lambda: self._end(handle, "cleared"))

    def _record_fault(self, board: str | None, data: dict[str, Any]) -> None:
        self._timeline.record("time", "fault", board, **data)

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
