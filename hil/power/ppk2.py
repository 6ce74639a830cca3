"""Nordic's Power Profiler Kit II as a board's supply.

Commands are single bytes and their arguments over USB serial, most of them unanswered, as Nordic's own application
sends them (https://github.com/NordicSemiconductor/pc-nrfconnect-ppk, its table of commands): 0x11 0x02 source mode,
0x0D and the voltage in mV as two bytes, 0x0C 1 or 0 the output on or off, 0x19 asks for a text of lines `KEY: VALUE`
that ends with END and holds VDD (mV) and mode. It does not tell whether the output is on. The library ppk2-api is GPL,
and five commands need no library. No hardware has confirmed this file.
"""

from __future__ import annotations

import os
import re
import time
from typing import Annotated, Literal

import serial
from pydantic import Field, model_validator

from hil.power import PowerError
from hil.power.outlet import OutletPower, Resolve, Seconds

_SOURCE = bytes((0x11, 0x02))
_OUTPUT = 0x0C
_REGULATOR = 0x0D
_ASK = bytes((0x19,))
_VALUE = re.compile(rb"^(VDD|mode): *(\d+)", re.MULTILINE)
#: The longest text that is taken for an answer, in bytes: a PPK2's has some 500.
_LONGEST = 8192

Millivolts = Annotated[int, Field(ge=800, le=5000)]


class Ppk2Power(OutletPower):
    """The PPK2 on `port`, supplying `millivolts`.

    `low_millivolts`: what 'off' comes to in place of a cut: a supply that sags. Trains of cuts are then brown-outs by
    steps of the voltage, and the state can be read back; scenarios that want a board without power want it left out.
    """

    kind: Literal["ppk2"] = "ppk2"
    port: Annotated[str, Field(min_length=1)]
    millivolts: Millivolts
    low_millivolts: Millivolts | None = None
    timeout: Seconds = 3.0

    @model_validator(mode="after")
    def _lower(self) -> Ppk2Power:
        if self.low_millivolts is not None and self.low_millivolts >= self.millivolts:
            raise ValueError(f"found low_millivolts {self.low_millivolts}, expected less than {self.millivolts}")
        return self

    @property
    def identity(self) -> str:
        return f"ppk2 {os.path.realpath(self.port)}"

    def outlet(self, resolve: Resolve) -> Ppk2Outlet:
        return Ppk2Outlet(self)


class Ppk2Outlet:
    """The output of one PPK2. Its port is opened on first use, and kept until `close`."""

    def __init__(self, config: Ppk2Power) -> None:
        self._config = config
        self._port: serial.Serial | None = None

    def set(self, on: bool) -> None:
        config = self._config
        if on:
            self._send(_SOURCE + _regulator(config.millivolts) + bytes((_OUTPUT, 1)))
        elif config.low_millivolts is not None:
            self._send(_regulator(config.low_millivolts))
        else:
            self._send(bytes((_OUTPUT, 0)))

    def state(self) -> bool | None:
        """Ask it for its voltage: that tells a sagging supply from a full one, and a PPK2 from something else."""
        said = self._ask()
        low = self._config.low_millivolts
        if low is None or said.get(b"mode") != 2:
            return None
        return {low: False, self._config.millivolts: True}.get(said[b"VDD"])

    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _ask(self) -> dict[bytes, int]:
        port = self._opened()
        deadline = time.monotonic() + self._config.timeout
        answer = b""
        try:
            port.reset_input_buffer()
            port.write(_ASK)
            while b"END" not in answer and len(answer) < _LONGEST and time.monotonic() < deadline:
                answer += port.read(max(1, port.in_waiting))
        except (OSError, serial.SerialException) as error:
            raise self._lost(error) from None
        said = {key: int(value) for key, value in _VALUE.findall(answer)}
        if b"END" not in answer or b"VDD" not in said:
            what = f"says {answer[:40]!r}" if answer else f"says nothing within {self._config.timeout:g} s"
            raise self._error(f"{what}; a PPK2 has two ports: is it the other one?")
        return said

    def _send(self, data: bytes) -> None:
        port = self._opened()
        try:
            port.write(data)
            port.flush()
        except (OSError, serial.SerialException) as error:
            raise self._lost(error) from None

    def _opened(self) -> serial.Serial:
        if self._port is None:
            try:
                self._port = serial.serial_for_url(self._config.port, exclusive=True, timeout=0.1, write_timeout=2)
            except (OSError, ValueError) as error:
                why = " ".join(str(error).split())
                raise self._error(f"cannot be opened ({why}); is it plugged in, and may this user open it?") from None
        return self._port

    def _lost(self, error: Exception) -> PowerError:
        self.close()
        return self._error(f"is lost ({' '.join(str(error).split())}); is it still plugged in?")

    def _error(self, what: str) -> PowerError:
        return PowerError(f"PPK2 on {self._config.port} {what}")


def _regulator(millivolts: int) -> bytes:
    return bytes((_REGULATOR, millivolts >> 8, millivolts & 0xFF))
