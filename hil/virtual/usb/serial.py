"""The serial port of a chip with USB of its own: a pty, there only while the chip is on the bus.

Programs open it by its name in the tree, lose it (end of file, EIO) when the chip leaves the bus, and find it again by
its links, as they do with /dev/ttyACM0. Opening it asserts DTR and RTS, closing drops both, as Linux has it. What the
chip says while nobody has it open is lost.

A pty has no modem lines: the kernel refuses TIOCMGET and TIOCMSET. So the port listens on a socket besides, and
lines.c, loaded into a program (`python -m hil.virtual lines`), carries those requests there: one connection each,

    'G' + 4 bytes   ->  the lines, as TIOCMGET would give them (little-endian)
    'S' + lines     ->  the same, once the chip has seen them

The socket is an abstract one named after the pty, and takes no other user's requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import struct
import termios
import tty
from pathlib import Path
from typing import Protocol

from hil.virtual.serial_server import Port, Wires
from hil.virtual.usb.tree import Descriptor, Plug, Tree

SOCKET = "\0hil-virtual-lines"
"""Before the pty's name: the address of the lines. lines.c has the same."""
LOOK = 0.01
"""Seconds between looks whether somebody has opened the port: the kernel tells the master of a pty nothing of it."""
MOST_UNSENT = 1 << 20
"""Bytes kept for a program that does not read; beyond that the chip's output is lost."""

_MOST_LEFT = 16
_CREDENTIALS = struct.Struct("3i")


class UsbWires(Wires, Protocol):
    """The chip's end: what a bridge has, and what only USB has."""

    def rate_changed(self, baud: int) -> None:
        """The host has set another speed."""


class UsbSerial:
    """The port, plugged into `tree` at `location`. Away until `attach`; has what a Board needs of a serial server."""

    def __init__(self, wires: UsbWires, tree: Tree, location: str) -> None:
        self.port = Port(wires)
        self.location = location
        self._wires = wires
        self._tree = tree
        self._plug: Plug | None = None
        self._master = -1
        self._slave = ""
        self._lines: socket.socket | None = None
        self._open = False
        self._looking: asyncio.TimerHandle | None = None
        self._unsent = bytearray()

    @property
    def lasting(self) -> Path:
        """The name that leads to it whenever it is there: by its place."""
        return self._tree.by_path(self.location)

    @property
    def attached(self) -> bool:
        """Whether it is on the bus."""
        return self._plug is not None

    # -- on the bus and off ----------------------------------------------------------------------------------------

    def attach(self, device: Descriptor) -> None:
        """Appear on the bus as `device`. Nothing happens if it is there already."""
        if self._plug is not None:
            return
        self._master, self._slave, self._lines = _open_pty()
        asyncio.get_running_loop().add_reader(self._lines, self._asked)
        self._plug = self._tree.plug(device, self.location, self._slave)
        self._look()

    def detach(self) -> None:
        """Leave the bus: whoever has the port open reads its end. Nothing happens if it has left already."""
        if self._plug is None:
            return
        plug, self._plug = self._plug, None
        plug.remove()
        loop = asyncio.get_running_loop()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        # The socket first: as soon as the pty is closed, another board may get its name.
        assert self._lines is not None
        loop.remove_reader(self._lines)
        self._lines.close()
        os.close(self._master)
        self._unsent.clear()
        self._open = False
        self.port.set_lines(False, False)

    async def close(self) -> None:
        """The end of the virtual board."""
        self.detach()

    # -- who has it open -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look whether somebody has opened it, again and again until somebody has."""
        loop = asyncio.get_running_loop()
        self._looking = None
        if self._is_open():
            self._opened()
        else:
            self._looking = loop.call_later(LOOK, self._look)

    def _is_open(self) -> bool:
        poll = select.poll()
        poll.register(self._master, 0)
        return not any(events & select.POLLHUP for _, events in poll.poll(0))

    def _opened(self) -> None:
        if self._open:
            return
        self._open = True
        asyncio.get_running_loop().add_reader(self._master, self._read)
        self.port.set_lines(True, True)

    def _closed(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        self._unsent.clear()
        self._open = False
        touched = termios.tcgetattr(self._master)[5] == termios.B1200
        self.port.set_lines(False, False)
        # Arduino's sign is seen when the port is closed; of other rates USB needs to know nothing.
        if touched and self._plug is not None:
            self._wires.rate_changed(1200)
        if self._plug is not None and self._looking is None:
            self._looking = loop.call_later(LOOK, self._look)

    # -- bytes -----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._wires.receive(data)
        elif not self._is_open():
            self._closed()

    def send(self, data: bytes) -> None:
        """The chip's bytes, to whoever has the port open."""
        if self._open and len(self._unsent) + len(data) <= MOST_UNSENT:
            self._unsent += data
            self._write()

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._unsent:
                del self._unsent[: os.write(self._master, self._unsent)]
        except BlockingIOError:
            loop.add_writer(self._master, self._write)
            return
        except OSError:
            self._unsent.clear()
        loop.remove_writer(self._master)

    # -- modem lines -----------------------------------------------------------------------------------------------

    def _asked(self) -> None:
        assert self._lines is not None
        with contextlib.suppress(OSError):
            asker, _ = self._lines.accept()
            with asker:
                asker.settimeout(1.0)
                self._answer(asker)

    def _answer(self, asker: socket.socket) -> None:
        owner = asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(owner)[1] not in (0, os.geteuid()):
            return
        request = asker.recv(5, socket.MSG_WAITALL)
        if len(request) != 5:
            return
        if self._is_open():
            self._opened()
        if request[:1] == b"S":
            (lines,) = struct.unpack("<I", request[1:])
            self.port.set_lines(bool(lines & termios.TIOCM_DTR), bool(lines & termios.TIOCM_RTS))
        # Also where this took it off the bus: a device acknowledges the request before it resets itself.
        asker.sendall(struct.pack("<I", self._bits()))

    def _bits(self) -> int:
        """DTR and RTS as they are, and what a CDC port shows besides: carrier and ready."""
        own = (termios.TIOCM_DTR if self.port.dtr else 0) | (termios.TIOCM_RTS if self.port.rts else 0)
        return own | termios.TIOCM_CAR | termios.TIOCM_DSR


def _open_pty() -> tuple[int, str, socket.socket]:
    """A pty's master, its slave's name, and the socket of its lines; one whose socket a dying board has yet is left."""
    left: list[int] = []
    try:
        while True:
            master, slave = os.openpty()
            tty.setraw(slave)
            name = os.ttyname(slave)
            os.close(slave)
            lines = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                lines.bind(SOCKET + name)
            except OSError:
                lines.close()
                left.append(master)
                if len(left) == _MOST_LEFT:
                    raise
                continue
            lines.listen()
            lines.setblocking(False)
            os.set_blocking(master, False)
            return master, name, lines
    finally:
        for unused in left:
            os.close(unused)
