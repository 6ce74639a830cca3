"""A serial line at any pyserial URL: opened without resetting the board, read in large pieces, woken at once.

    port = SerialPort.open("/dev/serial/by-id/usb-Silicon_Labs_CP2102-if00", 115200)
    port.read()     # what has come, or b"" after wake()

Opening and the dev kit's reset circuit. Dev kits cross two transistors between the modem lines and the chip: RTS
asserted alone pulls EN low (reset), DTR asserted alone pulls IO0 low (download mode when reset ends); both or neither
leave both high (Espressif, 'Boot Mode Selection', automatic bootloader). Linux asserts both lines when a tty is
opened, and so do RFC 2217 servers: nothing happens yet. What happens next depends on the order in which they are
released. DTR first leaves RTS alone for a moment, which is a reset; RTS first leaves DTR alone, which is only a strap
that nobody looks at. So this module always lets go of RTS first.
"""

from __future__ import annotations

import errno
import fcntl
import io
import math
import os
import select
import struct
import termios
import threading
import time
from typing import Any

import serial
from serial import rfc2217

from hil.ports import PortAmbiguous, PortFinder, PortNotFound, device_of

READ_SIZE = 65536
# So much in one read means that the other end sends at full speed, faster than any UART. Then it saves more time than
# it costs to wait a millisecond for the rest, and to work on up to this much at once.
FULL_SPEED = 1024
BURST_PATIENCE = 1
BATCH_SIZE = READ_SIZE
# How often a port without a file descriptor is asked whether it was closed meanwhile, in seconds.
STREAM_PATIENCE = 0.1
# How long a write may be held up by flow control, in seconds.
WRITE_PATIENCE = 10.0
# How long a network port's reader may take to notice that it is closed, in seconds (as in pyserial).
NETWORK_PATIENCE = 7.0


class PortError(Exception):
    """The port cannot be opened or used; the message is one line and ends with the cure."""


class PortAbsent(PortError):
    """The port is not there: not plugged in, or its board is without power and has no bridge that would stay."""


class PortLost(PortError):
    """The port was open and has gone away: unplugged, re-enumerated, or its server has closed the connection."""


class SerialPort:
    """An open port. One thread reads at a time; any thread may write, change the modem lines, or wake the reader."""

    def __init__(self, url: str, serial_port: Any) -> None:
        self.url = url
        self._serial = serial_port
        self._in_use = threading.Lock()
        self._waking = threading.Lock()
        self._woken = False
        self._fd: int | None = None
        try:
            self._fd = int(serial_port.fileno())
        except (io.UnsupportedOperation, AttributeError):
            return
        self._wake_read, self._wake_write = os.pipe()
        self._expect_a_byte(self._fd)
        # One for each of two threads that may wait at the same time: a poll object serves one only.
        self._polls = (self._new_poll(), self._new_poll())
        self._burst = select.poll()
        self._burst.register(self._fd, select.POLLIN)

    @staticmethod
    def _expect_a_byte(fd: int) -> None:
        """Make an empty read an error (VMIN 1): as pyserial leaves a tty, it looks the same as one that hung up."""
        if os.isatty(fd):
            settings = termios.tcgetattr(fd)
            settings[6][termios.VMIN] = 1
            termios.tcsetattr(fd, termios.TCSANOW, settings)

    def _new_poll(self) -> select.poll:
        assert self._fd is not None
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        return poll

    @classmethod
    def open(cls, where: str | PortFinder, baud: int) -> SerialPort:
        """Open the port `where` at `baud` and release DTR and RTS without resetting the board. Raises PortError.

        A local port is locked (flock), so that two runs do not share it. What was received before is kept.
        """
        try:
            url = device_of(where)
        except PortAmbiguous as error:
            raise PortError(str(error)) from None
        except PortNotFound as error:
            raise PortAbsent(str(error)) from None
        try:
            port: Any = serial.serial_for_url(url, do_not_open=True)
            port.baudrate = baud
            port.timeout = STREAM_PATIENCE
            port.exclusive = True
            # pyserial throws away what has arrived by the time it has opened: it may be the first line of a boot.
            port.reset_input_buffer = port._reset_input_buffer = lambda: None
            port.reset_output_buffer = lambda: None
            port.dtr = True
            port.rts = False
            port.open()
        except (OSError, ValueError) as error:
            absent = getattr(error, "errno", None) == errno.ENOENT
            raise (PortAbsent if absent else PortError)(_why_not_open(url, error)) from error
        try:
            port.dtr = False
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.EINVAL):
                port.close()
                raise PortError(_why_not_open(url, error)) from error
        return cls(url, port)

    # -- data --------------------------------------------------------------------------------------------------------

    @property
    def pollable(self) -> bool:
        """Whether `wait` works: for a local tty and a socket://; other ports have `read_stream` only."""
        return self._fd is not None

    def wait(self, timeout: float | None = None, *, second: bool = False) -> bool:
        """Wait for something to read; False when the time is up or `wake` was called. `second`: for a second thread."""
        if self._woken:
            return False
        ready = self._polls[second].poll(None if timeout is None else max(0, math.ceil(timeout * 1000)))
        return bool(ready) and not self._woken

    def read(self) -> bytes:
        """All that is there now, b"" if there is nothing. Raises PortLost."""
        assert self._fd is not None
        try:
            return self._read_burst(self._fd)
        except (OSError, ValueError) as error:
            if self._woken:
                return b""
            raise PortLost(f"{self.url}: {_short(error)}") from error

    def read_stream(self) -> bytes:
        """All that has come, or b"" after a tenth of a second without anything. Raises PortLost."""
        try:
            data: bytes = self._serial.read(1)
            waiting = self._serial.in_waiting
            return data + self._serial.read(waiting) if data and waiting else data
        except (OSError, ValueError, TypeError) as error:
            if self._woken:
                return b""
            raise PortLost(f"{self.url}: {_short(error)}") from error

    def write_now(self, data: bytes) -> int:
        """Write what the port takes at once, which may be nothing, and return how much that was. Raises PortLost."""
        if self._fd is None:
            return 0
        with self._in_use:
            if self._serial is None:
                raise PortLost(f"{self.url}: the port is closed")
            try:
                return os.write(self._fd, data)
            except BlockingIOError:
                return 0
            except OSError as error:
                raise PortLost(f"{self.url}: {_short(error)}") from error

    def write(self, data: bytes) -> None:
        """Write all of `data`. Raises PortLost, or PortError when flow control holds it up for 10 s."""
        with self._in_use:
            if self._serial is None:
                raise PortLost(f"{self.url}: the port is closed")
            try:
                if self._fd is None:
                    self._serial.write(data)
                else:
                    self._write_fd(self._fd, data)
            except OSError as error:
                raise PortLost(f"{self.url}: {_short(error)}") from error

    def wake(self) -> None:
        """Make `wait` return False, now and from now on."""
        with self._waking:
            self._woken = True
            if self._fd is not None and self._serial is not None:
                os.write(self._wake_write, b"x")

    def close(self) -> None:
        """Close the port. Only the reader's thread may call it while there is one. Closing twice does nothing."""
        with self._in_use, self._waking:
            if self._serial is None:
                return
            try:
                _close(self._serial)
            except OSError:
                pass  # the device is gone; there is nothing left to close
            finally:
                self._serial = None
                if self._fd is not None:
                    os.close(self._wake_read)
                    os.close(self._wake_write)

    def _read_burst(self, fd: int) -> bytes:
        try:
            data = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError("the other end has hung up")
        if len(data) < FULL_SPEED:
            return data
        pieces, size = [data], len(data)
        while size < BATCH_SIZE and len(data) >= FULL_SPEED:
            try:
                data = os.read(fd, READ_SIZE)
            except BlockingIOError:
                if self._burst.poll(BURST_PATIENCE):
                    continue
                break
            except OSError:
                break  # gone: the next read says so
            pieces.append(data)
            size += len(data)
        return b"".join(pieces)

    def _write_fd(self, fd: int, data: bytes) -> None:
        view = memoryview(data)
        deadline = time.monotonic() + WRITE_PATIENCE
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([], [fd], [], left)[1]:
                    raise PortError(
                        f"{self.url}: {len(view)} bytes were not taken within {WRITE_PATIENCE:g} s: is the board"
                        " holding up the line by flow control?"
                    ) from None

    # -- modem lines -------------------------------------------------------------------------------------------------

    def set_lines(self, *, dtr: bool, rts: bool) -> None:
        """Assert (True) or release (False) both modem lines, together where the port can.

        A local tty changes both in one request. RFC 2217 has one command for each: they go out back to back, RTS
        first when releasing both, so that the board sees them within a network packet of each other.
        Raises PortError for a port without modem lines, PortLost when it has gone away.
        """
        with self._in_use:
            port = self._serial
            if port is None:
                raise PortLost(f"{self.url}: the port is closed")
            try:
                if isinstance(port, rfc2217.Serial):
                    dtr_now = rfc2217.SET_CONTROL_DTR_ON if dtr else rfc2217.SET_CONTROL_DTR_OFF
                    rts_now = rfc2217.SET_CONTROL_RTS_ON if rts else rfc2217.SET_CONTROL_RTS_OFF
                    for value in (dtr_now, rts_now) if dtr else (rts_now, dtr_now):
                        port.rfc2217_send_subnegotiation(rfc2217.SET_CONTROL, value)
                elif self._fd is not None and not self.url.startswith("socket:"):
                    self._set_tty_lines(self._fd, dtr, rts)
                else:
                    raise PortError(
                        f"{self.url} carries no DTR and RTS, so it cannot reset a board: use a tty or an rfc2217:// URL"
                    )
            except OSError as error:
                if error.errno in (errno.ENOTTY, errno.EINVAL):
                    raise PortError(
                        f"{self.url} has no DTR and RTS lines, so it cannot reset a board; if it is a virtual board's, "
                        "run this command under `python -m hil.virtual lines`"
                    ) from error
                raise PortLost(f"{self.url}: {_short(error)}") from error

    @staticmethod
    def _set_tty_lines(fd: int, dtr: bool, rts: bool) -> None:
        lines = struct.unpack("I", fcntl.ioctl(fd, termios.TIOCMGET, struct.pack("I", 0)))[0]
        lines &= ~(termios.TIOCM_DTR | termios.TIOCM_RTS)
        lines |= (termios.TIOCM_DTR if dtr else 0) | (termios.TIOCM_RTS if rts else 0)
        fcntl.ioctl(fd, termios.TIOCMSET, struct.pack("I", lines))


def _close(port: Any) -> None:
    """Close it, and of an RFC 2217 port the thread that reads.

    pyserial joins that thread itself, but then sleeps for 0.3 s, for the sake of who connects again at once. What comes
    next here is a tool's start, which takes longer.
    """
    reader = None
    if type(port) is rfc2217.Serial:
        reader, vars(port)["_thread"] = vars(port)["_thread"], None
    port.close()
    if reader is not None:
        reader.join(NETWORK_PATIENCE)


def _why_not_open(url: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return f"{url} does not exist: is the board plugged in? `hil boards` shows what is"
    if number == errno.EACCES:
        return f"{url}: permission denied: add yourself to the group that owns it (often dialout) and log in again"
    if number in (errno.EAGAIN, errno.EBUSY):
        return f"{url} is in use by another program: `fuser -v {url}` shows which"
    return f"{url} cannot be opened: {_short(error)}"


def _short(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
