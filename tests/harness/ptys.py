"""The device end of a console in tests: a pty behind a symbolic link, as udev's by-id links stand before real ports."""

from __future__ import annotations

import os
import pty
import select
import tty
from pathlib import Path


class Device:
    """Holds the master side. `plug` makes the port appear at `path`, `unplug` takes it away as USB does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._master = -1
        self.plug()

    def plug(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        # Behind the link, as on a real bench; the open slave goes with this file descriptor.
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        self._slave = slave

    def unplug(self) -> None:
        if self._master >= 0:
            self.path.unlink(missing_ok=True)
            self.let_go()
            os.close(self._master)
            self._master = -1

    def let_go(self) -> None:
        """Have the port open here no longer: only who opens it by its name has it open then."""
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1

    def say(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._master, data) :]

    def hear(self, size: int) -> bytes:
        """Exactly `size` bytes that the console sent."""
        data = b""
        while len(data) < size:
            data += os.read(self._master, size - len(data))
        return data

    def heard(self, timeout: float) -> bytes:
        """What the console has sent since; nothing if that is nothing for `timeout` seconds."""
        return os.read(self._master, 4096) if select.select([self._master], [], [], timeout)[0] else b""
