"""Makes a flashing tool quick, whose process finds this file by PYTHONPATH. Above all pyserial's RFC 2217 client.

That negotiates all settings of the port anew whenever one of its attributes is set, the read time-out included, and
waits at least 50 ms for each negotiation. esptool sets the time-out twice a command: reading the flash's size alone
took 22 s. Setting what is set already needs no negotiation, so here it is left out, and answers are looked for every
2 ms. Nor does it wait 0.3 s after closing, for the sake of who connects again at once: the process ends then, and the
next one takes longer to start. Every byte that is read goes through a queue of its own making, too; the one used here
is written in C. A local serial port never comes here.

The process lives for a second or two and leaves no rubbish worth collecting. That costs it a fifth of its processor
time, most of it at its end; so it is left out. What esptool spends on a trace that is off is in hil_untraced.py.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import queue
import sys
import time
from types import SimpleNamespace
from typing import Any, ClassVar


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
    """The module `time` as serial.rfc2217 sees it."""

    #: Seconds: its polls for an answer, and what it waits after closing.
    _SHORTER: ClassVar = {0.05: 0.002, 0.3: 0.0}

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        time.sleep(self._SHORTER.get(seconds, seconds))


gc.disable()
# What is frozen is not looked through once more when the interpreter takes itself down.
atexit.register(gc.freeze)

with contextlib.suppress(ImportError):
    from hil_untraced import Untraced  # type: ignore[import-not-found]  # by PYTHONPATH

    sys.meta_path.insert(0, Untraced())

# A tool in an environment without pyserial, or with one that has been changed, must run all the same.
with contextlib.suppress(ImportError, AttributeError):
    from serial import rfc2217

    _negotiate_changes_only(rfc2217.Serial)
    setattr(rfc2217, "time", _QuickPolls())  # noqa: B010 (mypy knows no such attribute)
    setattr(rfc2217, "Queue", SimpleNamespace(Queue=queue.SimpleQueue, Empty=queue.Empty))  # noqa: B010
