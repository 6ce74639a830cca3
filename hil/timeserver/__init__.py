"""The SNTP server that boards ask for the time. It can lie, jump, stay silent, refuse, or take its time.

    server = TimeServer(timeline, loop, boards={"esp32-a": 0})
    server.start()
    server.set(Offset(-365 * 86400), "esp32-a")
    server.set(Silent(), "esp32-a", Schedule(count=2))

Each board has a port of its own, so that a request is known to be that board's. Boards whose firmware can only ask
port 123 share one: `shared` names it, and `board_of` tells boards apart by the address that they ask from.
"""

from __future__ import annotations

from hil.timeserver.armed import ArmedMode
from hil.timeserver.modes import TRUE, Delayed, Jump, KissOfDeath, Mode, Offset, Plain, Silent, TrueTime
from hil.timeserver.server import TimeServer, TimeServerError

__all__ = [
    "TRUE",
    "ArmedMode",
    "Delayed",
    "Jump",
    "KissOfDeath",
    "Mode",
    "Offset",
    "Plain",
    "Silent",
    "TimeServer",
    "TimeServerError",
    "TrueTime",
]
