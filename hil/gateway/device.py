"""The board's side of a connection: TCP and TLS. What the bytes inside mean is connection.py's business."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any, Literal, Protocol, cast

from hil.gateway.tls import ClearSession, Failure, TlsSession

READ = 64 * 1024
"""Bytes that are read at once."""
LINGER = 1.0
"""Seconds that a board gets to read what was sent last and to close its side, before the rest is cut off."""

Session = TlsSession | ClearSession
Gone = Literal["fin", "reset", "keep-alive"]
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

    `session` None means that the connection is not served: what comes is read and forgotten. A buffer of its own
    spares each read the 256 KiB that asyncio would allocate for it, which takes longer than the read.
    """

    def __init__(self, owner: DeviceOwner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._secured = False
        self._buffer = memoryview(bytearray(READ))
        self._over = False  # somebody has closed, or begun to: nothing is handed on any more
        self.session: Session | None = None

    # -- for the owner ---------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Encrypt and write."""
        if self._transport is not None and self.session is not None and not self._over:
            self._transport.write(self.session.send(data))

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Send what is still to be sent, close_notify and FIN; then wait a little for the board's own.

        Unread bytes at a close make the kernel send RST, which may overtake an alert or a CONNACK; so whatever the
        board still sends is read, and forgotten.
        """
        transport = self._start_closing()
        if transport is None:
            return
        if self.session is not None:
            transport.write(self.session.goodbye())
        with contextlib.suppress(OSError, RuntimeError):
            transport.write_eof()
        transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(LINGER, transport.abort)

    def reset(self) -> None:
        """Close with RST, at once."""
        transport = self._start_closing()
        if transport is None:
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    def abort(self) -> None:
        """Let go of the socket at once."""
        transport = self._start_closing()
        if transport is not None:
            transport.abort()

    # -- asyncio.BufferedProtocol ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        address = transport.get_extra_info("peername")
        self._owner.device_arrived(self, f"{address[0]}:{address[1]}" if address else "unknown")
        if isinstance(self.session, ClearSession):
            self._secured = True
            self._owner.device_secured(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        session = self.session
        if session is None or self._over:
            return
        plain = session.receive(bytes(self._buffer[:nbytes]))
        if not self._secured or session.failure is not None or session.ended:
            self._progress(session)
        if plain and not self._over:
            self._owner.from_device(plain)
        if session.failure is not None and not self._over:
            by = "device" if session.failure.alert_from == "device" else "gateway"
            self._owner.device_failed(session.failure, by)
        elif session.ended and not self._over:
            self._owner.device_closed("fin")

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if not self._over:
            self._over = True
            self._lost("fin" if error is None else "keep-alive" if isinstance(error, TimeoutError) else "reset")
        self._owner.device_gone()

    def pause_writing(self) -> None:
        if not self._over:
            self._owner.device_is_slow(True)

    def resume_writing(self) -> None:
        if not self._over:
            self._owner.device_is_slow(False)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _progress(self, session: Session) -> None:
        """Send what the handshake wants sent, and say when it is done."""
        if isinstance(session, TlsSession):
            for hello in session.new_hellos():
                self._owner.device_hello(hello.facts())
        out = session.outgoing()
        if out and self._transport is not None:
            self._transport.write(out)
        if isinstance(session, TlsSession) and session.stalls():
            self._owner.device_stalled(session.step)
        if session.established and not self._secured:
            self._secured = True
            self._owner.device_secured(session.facts() if isinstance(session, TlsSession) else None)

    def _lost(self, how: Gone) -> None:
        if isinstance(self.session, TlsSession) and not self._secured:
            self._owner.device_failed(self.session.cut_off("reset" if how == "reset" else "closed"), "device")
        else:
            self._owner.device_closed(how)

    def _start_closing(self) -> asyncio.Transport | None:
        self._over = True
        transport = self._transport
        return None if transport is None or transport.is_closing() else transport
