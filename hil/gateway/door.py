"""Where connections come in: one listening socket for each board.

A loop of its own, not asyncio's server, for three reasons. Whoever is refused is refused before anything is made for
them, which is what a flood has to cost. Few are accepted at a time, so that other boards' packets have their turn in
between. And when this process has no file descriptor left, a spare one is given up for a moment, so that newcomers are
refused and told, where asyncio would let them wait in the dark.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
from functools import partial
from typing import Final, Protocol

from hil.gateway.crowd import Refusal

AT_ONCE: Final = 16
"""Connections that are accepted before the loop does something else."""
BACKLOG: Final = 1024
"""Connections that may wait in the kernel."""
FLOODED: Final = 0.01
"""Seconds of rest after so many of which none was let in: the rest of a flood waits in the kernel, and so little of the
loop's time goes into refusing."""
PAUSE: Final = 0.1
"""Seconds until the next try where there is nothing left to accept with."""

_NO_FILES: Final = (errno.EMFILE, errno.ENFILE)
_NO_MEMORY: Final = (errno.ENOBUFS, errno.ENOMEM)


class Doorkeeper(Protocol):
    """Whoever knows who may come in, and what becomes of them."""

    def may_enter(self, peer: str, file: int) -> Refusal | None: ...
    def turned_away(self, peer: str, port: int, refusal: Refusal) -> None: ...
    def enter(self, peer: str) -> asyncio.BufferedProtocol: ...


class Spare:
    """A file descriptor that is kept for the moment when there are no more."""

    def __init__(self) -> None:
        self._file: int | None = None
        self.keep()

    def keep(self) -> None:
        if self._file is None:
            with contextlib.suppress(OSError):
                self._file = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def give_up(self) -> bool:
        """Free it; False if it is not there."""
        if self._file is None:
            return False
        os.close(self._file)
        self._file = None
        return True


class Door:
    """Accepts on `sock`, which is bound, until it is closed. In the loop's thread."""

    def __init__(self, sock: socket.socket, keeper: Doorkeeper, spare: Spare) -> None:
        self._sock = sock
        self._keeper = keeper
        self._spare = spare
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        sock.listen(BACKLOG)
        self._loop.add_reader(sock, self._ready)

    def close(self) -> None:
        """Stop listening. Those that are on their way in are turned away."""
        self._loop.remove_reader(self._sock)
        if self._timer is not None:
            self._timer.cancel()
        self._sock.close()
        for task in self._entering:
            task.cancel()

    def _ready(self) -> None:
        refused = 0
        for _ in range(AT_ONCE):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _NO_FILES and self._refuse_with_spare(error):
                    refused += 1
                    continue
                if error.errno in _NO_FILES + _NO_MEMORY:
                    self._rest(PAUSE)
                    return
                continue  # that connection has gone already (ECONNABORTED, and what network it came by may add)
            refused += not self._take(sock, address)
        if refused == AT_ONCE:
            self._rest(FLOODED)

    def _take(self, sock: socket.socket, address: tuple[object, ...]) -> bool:
        """Let it in, or turn it away; which of both."""
        peer, port = _name(address)
        refusal = self._keeper.may_enter(peer, sock.fileno())
        if refusal is not None:
            _reset(sock)
            self._keeper.turned_away(peer, port, refusal)
            return False
        sock.setblocking(False)
        protocol = self._keeper.enter(peer)
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: protocol, sock), name="hil-enter"
        )
        self._entering.add(task)
        task.add_done_callback(partial(self._entered, sock))
        return True

    def _entered(self, sock: socket.socket, task: asyncio.Task[object]) -> None:
        self._entering.discard(task)
        if task.cancelled():
            sock.close()
        else:
            task.exception()  # there is none to be had but what connection_made raised, which the loop has reported

    def _refuse_with_spare(self, error: OSError) -> bool:
        """No descriptor is left: take the spare one's place, turn the newcomer away with it, and keep it again."""
        if not self._spare.give_up():
            self._spare.keep()
            return False
        try:
            sock, address = self._sock.accept()
        except OSError:
            return False
        else:
            _reset(sock)
            peer, port = _name(address)
            words = f"this process has no file descriptor left ({error.strerror}; ulimit -n)"
            self._keeper.turned_away(peer, port, Refusal("files", words))
            return True
        finally:
            self._spare.keep()

    def _rest(self, seconds: float) -> None:
        """Let them wait in the kernel for a while, and do not spin."""
        self._loop.remove_reader(self._sock)
        self._timer = self._loop.call_later(seconds, self._again)

    def _again(self) -> None:
        self._timer = None
        self._spare.keep()
        self._loop.add_reader(self._sock, self._ready)


def _name(address: tuple[object, ...]) -> tuple[str, int]:
    port = address[1]
    return str(address[0]), port if isinstance(port, int) else 0


def _reset(sock: socket.socket) -> None:
    """Close with RST: at once, and nothing of it stays."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
