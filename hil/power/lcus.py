"""An LCUS serial relay (LC Technology LCUS-1, -2, -4, -8; a CH340 and a microcontroller).

The vendor's 'LC USB switch communication protocol', 9600 bit/s, 8N1: A0, the channel, 01 for on or 00 for off, and the
sum of the three. Modules of several channels answer FF with a line `CH1: ON` or `CH1: OFF` for each; the single-channel
one is silent, so that its state is not known. No hardware has confirmed the answer's wording.

The port is opened for each order and locked meanwhile, so that the boards of one module, and other processes, take
turns. Opening changes nothing: the relays know no modem lines.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
import time
from collections.abc import Iterator
from typing import Annotated, Literal

import serial
from pydantic import Field

from hil.power import PowerError
from hil.power.outlet import OutletPower, Resolve, Seconds

_STATES = re.compile(rb"CH\s*(\d)\s*:\s*(ON|OFF)", re.IGNORECASE)
#: Seconds between two tries to get a port that another board's switch has.
_TURN = 0.02
#: Seconds of silence after which an answer is over: three characters at 9600 bit/s take 3 ms; USB adds up to 16.
_SILENCE = 0.05


def order(channel: int, on: bool) -> bytes:
    """The four bytes that switch one channel."""
    return bytes((0xA0, channel, on, (0xA0 + channel + on) & 0xFF))


class LcusPower(OutletPower):
    """Relay `channel` (from 1) of the module on `port`. `status`: whether the module answers to FF."""

    kind: Literal["lcus"] = "lcus"
    port: Annotated[str, Field(min_length=1)]
    channel: Annotated[int, Field(ge=1, le=8)] = 1
    status: bool = False
    timeout: Seconds = 2.0

    @property
    def shortest(self) -> float | None:
        """Four bytes take 4.2 ms, a relay 10 ms to pull and 5 to release (Songle SRD-05VDC); twice that and more."""
        return 0.05

    @property
    def identity(self) -> str:
        return f"lcus {os.path.realpath(self.port)} channel {self.channel}"

    def outlet(self, resolve: Resolve) -> LcusOutlet:
        return LcusOutlet(self)


class LcusOutlet:
    """One relay of a module."""

    def __init__(self, config: LcusPower) -> None:
        self._config = config

    def set(self, on: bool) -> None:
        with self._opened() as port:
            port.write(order(self._config.channel, on))
            port.flush()

    def state(self) -> bool | None:
        if not self._config.status:
            return None
        with self._opened() as port:
            port.reset_input_buffer()
            port.write(b"\xff")
            answer = self._answer(port)
        states = {int(number): word.upper() == b"ON" for number, word in _STATES.findall(answer)}
        if not states:
            said = f"says {answer[:40]!r}" if answer else f"says nothing within {self._config.timeout:g} s"
            raise self._error(f"{said} when asked for its state; a module that cannot tell needs status = false")
        if self._config.channel not in states:
            raise self._error(f"has no relay {self._config.channel}; it tells of {', '.join(map(str, states))}")
        return bool(states[self._config.channel])

    def close(self) -> None:
        pass

    def _answer(self, port: serial.Serial) -> bytes:
        deadline = time.monotonic() + self._config.timeout
        answer = b""
        port.timeout = self._config.timeout
        while (piece := port.read(1)) and time.monotonic() < deadline and len(answer) < 4096:
            answer += piece + port.read(port.in_waiting)
            port.timeout = _SILENCE
        return answer

    @contextlib.contextmanager
    def _opened(self) -> Iterator[serial.Serial]:
        port = self._open()
        try:
            yield port
        except (OSError, serial.SerialException) as error:
            raise self._error(f"is lost: {' '.join(str(error).split())}; is it still plugged in?") from None
        finally:
            port.close()

    def _open(self) -> serial.Serial:
        config = self._config
        deadline = time.monotonic() + config.timeout
        while True:
            try:
                port: serial.Serial = serial.serial_for_url(config.port, 9600, exclusive=True, write_timeout=2)
            except (OSError, ValueError) as error:
                number = getattr(error, "errno", None)
                if number in (errno.EAGAIN, errno.EBUSY) and time.monotonic() < deadline:
                    threading.Event().wait(_TURN)
                    continue
                raise self._error(_why(number, error)) from None
            return port

    def _error(self, what: str) -> PowerError:
        return PowerError(f"LCUS relay on {self._config.port} {what}")


def _why(number: int | None, error: Exception) -> str:
    if number == errno.ENOENT:
        return "is not there; plug it in, `ls -l /dev/serial/by-id` shows what is"
    if number == errno.EACCES:
        return "may not be opened by this user; sudo usermod -aG dialout $USER, and log in again"
    if number in (errno.EAGAIN, errno.EBUSY):
        return "is in use by another program; `fuser -v` with the port shows which"
    return f"cannot be opened: {' '.join(str(error).split())}"
