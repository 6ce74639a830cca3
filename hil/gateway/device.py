"""The board's side of a connection: TCP and TLS. What the bytes inside mean is connection.py's business."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol, cast

from hil.gateway.line import Direction, End, Item, Line
from hil.gateway.reading import read_buffer
from hil.gateway.tls import ClearSession, Failure, TlsSession

LINGER = 1.0
"""Seconds that a board gets to read what was sent last and to close its side, before the rest is cut off."""

Session = TlsSession | ClearSession
Gone = End
"""How a board's TCP ended: politely, by RST, or because the host's TCP got no more answer from it."""


class DeviceOwner(Protocol):
    """Whoever takes the decrypted bytes."""

    def device_arrived(self, side: DeviceSide, peer: str) -> None: ...
    def device_hello(self, facts: dict[str, Any]) -> None: ...
    def device_stalled(self, step: str | None) -> None: ...
    def device_secured(self, facts: dict[str, Any] | None) -> None: ...
    def device_failed(self, failure: Failure, by: str) -> None: ...
    def from_device(self, data: bytes) -> None: ...
    def device_closed(self, how: Gone) -> None: ...
    def device_is_slow(self, slow: bool) -> None: ...
    def device_gone(self) -> None: ...


class DeviceSide(asyncio.BufferedProtocol):
    """Reads, decrypts and hands on; encrypts and writes.

    `session` None means that the connection is not served: what comes is read and forgotten.

    Between TLS and the network there may be a line, which a fault has put there; without one bytes go straight.
    """

    def __init__(self, owner: DeviceOwner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._secured = False
        self._buffer = read_buffer()
        self._over = False  # somebody has closed, or begun to: nothing is handed on any more
        self._line: Line | None = None
        self._write: Callable[[bytes], None] = _nowhere
        self._paused: set[str] = set()  # who does not want to read just now
        self._slow: set[str] = set()  # who takes no more to write just now
        self._heard_fin = False
        self._left = False
        self.session: Session | None = None

    @property
    def secured(self) -> bool:
        """Whether the handshake is done."""
        return self._secured

    # -- for the owner ---------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Encrypt and write."""
        if self._transport is not None and self.session is not None and not self._over:
            self._write(self.session.send(data))

    def pause(self, why: str = "owner") -> None:
        self._paused.add(why)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self, why: str = "owner") -> None:
        self._paused.discard(why)
        if self._transport is not None and not self._transport.is_closing() and not self._paused:
            self._transport.resume_reading()

    def close(self) -> None:
        """Send what is still to be sent, close_notify and FIN; then wait a little for the board's own.

        Unread bytes at a close make the kernel send RST, which may overtake an alert or a CONNACK; so whatever the
        board still sends is read, and forgotten.
        """
        if self._start_closing() is None:
            return
        if self.session is not None:
            self._write(self.session.goodbye())
        self._end("fin")

    def reset(self) -> None:
        """Close with RST, at once."""
        if self._start_closing() is not None:
            self._end("reset")

    def abort(self) -> None:
        """Let go of the socket at once."""
        transport = self._start_closing()
        if transport is not None:
            transport.abort()

    def line(self) -> Line:
        """The line below TLS, for stages to be put into; it is made at the first call."""
        if self._line is None:
            up = Direction(self._from_network, lambda stop: self.pause("line") if stop else self.resume("line"))
            down = Direction(self._to_network, lambda stop: self._is_slow("line", stop))
            self._line = Line(up, down)
            self._write = down.put
        return self._line

    # -- asyncio.BufferedProtocol ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._write = self._transport.write
        address = transport.get_extra_info("peername")
        self._owner.device_arrived(self, f"{address[0]}:{address[1]}" if address else "unknown")
        if isinstance(self.session, ClearSession) and not self._over:
            self._secured = True
            self._owner.device_secured(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.session is None or self._over:
            return
        data = bytes(self._buffer[:nbytes])
        if self._line is None:
            self._decrypt(data, self.session)
        else:
            self._line.up.put(data)

    def eof_received(self) -> bool:
        """Whether to keep our half open: asyncio closes it at once otherwise, before what is in the line is out."""
        self._heard_fin = True
        if self._line is None or self._transport is None or self._transport.is_closing():
            return False
        if not self._over:
            self._line.up.put("fin")
        return not self._transport.is_closing()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._write = _nowhere
        if self._timer is not None:
            self._timer.cancel()
        how: Gone = "fin" if error is None else "keep-alive" if isinstance(error, TimeoutError) else "reset"
        if self._line is None or self._over:
            self._gone(how)
            self._leave()
        else:
            self._line.up.put(how)  # behind what the board said before

    def pause_writing(self) -> None:
        self._is_slow("network", True)

    def resume_writing(self) -> None:
        self._is_slow("network", False)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _decrypt(self, data: bytes, session: Session) -> None:
        plain = session.receive(data)
        if not self._secured or session.failure is not None or session.ended:
            self._progress(session)
        if plain and not self._over:
            self._owner.from_device(plain)
        if session.failure is not None and not self._over:
            by = "device" if session.failure.alert_from == "device" else "gateway"
            self._owner.device_failed(session.failure, by)
        elif session.ended and not self._over:
            self._owner.device_closed("fin")

    def _progress(self, session: Session) -> None:
        """Send what the handshake wants sent, and say when it is done."""
        if isinstance(session, TlsSession):
            for hello in session.new_hellos():
                self._owner.device_hello(hello.facts())
        out = session.outgoing()
        if out and self._transport is not None:
            self._write(out)
        if isinstance(session, TlsSession) and session.stalls():
            self._owner.device_stalled(session.step)
        if session.established and not self._secured:
            self._secured = True
            self._owner.device_secured(session.facts() if isinstance(session, TlsSession) else None)

    def _gone(self, how: Gone) -> None:
        """The board has ended the connection."""
        if self._over:
            return
        self._over = True
        if isinstance(self.session, TlsSession) and not self._secured:
            self._owner.device_failed(self.session.cut_off("reset" if how == "reset" else "closed"), "device")
        else:
            self._owner.device_closed(how)

    def _start_closing(self) -> asyncio.Transport | None:
        self._over = True
        transport = self._transport
        if transport is None:
            self._leave()
        return None if transport is None or transport.is_closing() else transport

    def _leave(self) -> None:
        """There is no TCP connection any more, and nothing of it in the line."""
        if not self._left:
            self._left = True
            if self._line is not None:
                self._line.stop()
            self._owner.device_gone()

    def _end(self, how: End) -> None:
        if self._line is None:
            self._to_network(how)
        else:
            self._line.down.put(how)

    def _is_slow(self, why: str, slow: bool) -> None:
        before = bool(self._slow)
        (self._slow.add if slow else self._slow.discard)(why)
        if bool(self._slow) is not before and not self._over:
            self._owner.device_is_slow(bool(self._slow))

    # -- the two ends of the line ----------------------------------------------------------------------------------

    def _from_network(self, item: Item) -> None:
        if not isinstance(item, bytes):
            self._gone(item)
            if self._transport is None:
                self._leave()
        elif self.session is not None and not self._over:
            self._decrypt(item, self.session)

    def _to_network(self, item: Item) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if isinstance(item, bytes):
            transport.write(item)
        elif item == "reset":
            sock = transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            if self._heard_fin:
                transport.close()
            else:
                with contextlib.suppress(OSError, RuntimeError):
                    transport.write_eof()
                transport.resume_reading()
            self._timer = asyncio.get_running_loop().call_later(LINGER, transport.abort)


def _nowhere(data: bytes) -> None:
    """Where bytes go when there is no connection."""
