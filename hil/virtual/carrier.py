"""One TCP connection of a virtual board, carried byte by byte between its firmware and the network.

Two flows, one each way. A flow reads only when all that it read before is written, so that nothing is lost and a
slow reader slows the writer down. Which end of a connection means what:

| what the flow meets                      | what it means                                                      |
|------------------------------------------|--------------------------------------------------------------------|
| end of file from the core, close asked   | the firmware closed: send the rest, then FIN                       |
| end of file from the core, not asked     | its process is dying: say nothing, the radio will be cut           |
| end of file from outside                 | the peer's FIN: the core reads an end of file                      |
| an error from outside                    | the peer's RST: the core is told so, then reads an end of file     |
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable

CHUNK = 16384
"""Bytes read at once, and held at most in each direction of a connection."""

LINGER = 2.0
"""Seconds to wait for the peer's FIN after ours, before the socket is let go."""


def error_name(error: OSError) -> str:
    """The errno's name, e.g. 'ECONNRESET'; 'EIO' where it has none."""
    return errno.errorcode.get(error.errno or 0, "EIO")


class Flow:
    """Bytes in one direction. One of the two callbacks is called, once: `source_ended` with None for an end of file or
    the error that reading met, `sink_broke` with the error that writing met."""

    def __init__(
        self,
        source: socket.socket,
        sink: socket.socket,
        source_ended: Callable[[OSError | None], None],
        sink_broke: Callable[[OSError], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._sink = sink
        self._source_ended = source_ended
        self._sink_broke = sink_broke
        self._pending = memoryview(b"")
        self._waits_for_sink = False
        self.over = False

    def run(self) -> None:
        """Carry on, from the very byte where `pause` stopped."""
        if self.over:
            return
        self._waits_for_sink = bool(self._pending)
        if self._waits_for_sink:
            self._loop.add_writer(self._sink, self._write)
        else:
            self._loop.add_reader(self._source, self._read)

    def pause(self) -> None:
        """Touch neither socket until `run`; what is held stays held."""
        if not self.over:
            self._loop.remove_reader(self._source)
            self._loop.remove_writer(self._sink)

    def stop(self) -> None:
        """Never carry again; what is held is dropped (the connection is over)."""
        self.pause()
        self.over = True

    def _read(self) -> None:
        try:
            data = self._source.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.stop()
            self._source_ended(error)
            return
        if data:
            self._pending = memoryview(data)
            self._write()
        else:
            self.stop()
            self._source_ended(None)

    def _write(self) -> None:
        try:
            self._pending = self._pending[self._sink.send(self._pending) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self.stop()
            self._sink_broke(error)
            return
        if bool(self._pending) != self._waits_for_sink:
            self.pause()
            self.run()


class Connection:
    """One TCP connection of the present boot: the outside socket, the core's end, and a flow each way.

    `ended(how, error)` is called once when the peer ends it: ('fin', None), or ('reset', name of the errno). `gone()`
    is called once when nothing is left of it. Nothing is carried until `run`.
    """

    def __init__(
        self,
        outside: socket.socket,
        inside: socket.socket,
        ended: Callable[[str, str | None], None],
        gone: Callable[[], None],
    ) -> None:
        self._ended = ended
        self._forget = gone
        self._outside = outside
        self._inside = inside
        self._up = Flow(inside, outside, self._core_silent, self._outside_broke)
        self._down = Flow(outside, inside, self._peer_ended, self._core_deaf)
        self._broken: OSError | None = None
        self._close_asked = False
        self._closing = False
        self._linger: asyncio.TimerHandle | None = None

    def run(self) -> None:
        """Carry bytes (again): at the start, and when the access point is back."""
        self._up.run()
        self._down.run()
        if self._closing:
            asyncio.get_running_loop().add_reader(self._outside, self._discard)

    def pause(self) -> None:
        """Carry nothing: the access point is gone."""
        self._up.pause()
        self._down.pause()
        if self._closing:
            asyncio.get_running_loop().remove_reader(self._outside)

    def orphan(self) -> socket.socket:
        """Let go of the core's end; give back the outside socket, untouched."""
        self.pause()
        self._up.stop()
        self._down.stop()
        self._inside.close()
        if self._linger is not None:
            self._linger.cancel()
        return self._outside

    def close(self) -> None:
        """The firmware has closed the connection: once all that it wrote is sent, send FIN."""
        self._close_asked = True
        if self._up.over:
            self._finish()

    def _core_silent(self, _error: OSError | None) -> None:
        # The core's end is closed. Together with its word that it closed this is a close; without it the core is dying.
        if self._close_asked:
            self._finish()

    def _core_deaf(self, _error: OSError) -> None:
        """The core reads no more; the flow from it says what this means."""

    def _outside_broke(self, error: OSError) -> None:
        # Writing has met the peer's RST. What it sent before may still be read: that flow tells the core.
        self._broken = error
        if self._close_asked:
            self._finish()

    def _peer_ended(self, error: OSError | None) -> None:
        error = error or self._broken
        if error is None:
            self._ended("fin", None)
        else:
            self._up.stop()
            self._ended("reset", "ECONNRESET" if error.errno == errno.EPIPE else error_name(error))
        with contextlib.suppress(OSError):
            self._inside.shutdown(socket.SHUT_WR)
        if self._close_asked and self._up.over:
            self._finish()

    def _finish(self) -> None:
        """Send FIN, then take in what still comes, so that the kernel does not answer it with RST."""
        if self._closing:
            return
        self._up.stop()
        self._down.stop()
        self._inside.close()
        self._closing = True
        try:
            self._outside.shutdown(socket.SHUT_WR)
        except OSError:
            self._gone()
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._outside, self._discard)
        self._linger = loop.call_later(LINGER, self._gone)

    def _discard(self) -> None:
        try:
            if self._outside.recv(CHUNK):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._gone()

    def _gone(self) -> None:
        self.orphan().close()
        self._forget()
