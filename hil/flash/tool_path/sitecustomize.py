"""Makes pyserial's RFC 2217 client quick in the process of a flashing tool, which finds this file by PYTHONPATH.

pyserial negotiates all settings of the port anew whenever one of its attributes is set, the read time-out included,
and waits at least 50 ms for each negotiation. esptool sets the time-out twice a command: reading the flash's size
alone took 22 s. Setting what is set already needs no negotiation, so here it is left out, and answers are looked for
every 2 ms. A local serial port never comes here.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any


def _negotiate_changes_only(port_class: Any) -> None:
    negotiate = port_class._reconfigure_port

    def reconfigure(self: Any) -> None:
        line = (self._baudrate, self._bytesize, self._parity, self._stopbits, self._rtscts, self._xonxoff)
        known = getattr(self, "_negotiated", None) == (self._socket, line)
        # What must be refused is pyserial's to refuse: no connection, or a write time-out, which esptool tries and
        # takes back when this kind of port turns it down.
        if not known or self._socket is None or self._write_timeout is not None:
            negotiate(self)
            self._negotiated = (self._socket, line)

    port_class._reconfigure_port = reconfigure


class _QuickPolls:
    """The module `time` as serial.rfc2217 sees it: its 50 ms polls for an answer become 2 ms, other waits stay."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(0.002 if seconds == 0.05 else seconds)


# A tool in an environment without pyserial, or with one that has been changed, must run all the same.
with contextlib.suppress(ImportError, AttributeError):
    from serial import rfc2217

    _negotiate_changes_only(rfc2217.Serial)
    setattr(rfc2217, "time", _QuickPolls())  # noqa: B010 (mypy knows no such attribute)
