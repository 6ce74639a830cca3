"""Whether another run has a port: not only open just now, but locked for as long as it lasts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hil.guardian import identity, lock_file
from hil.guardian.holder import Holder
from hil.guardian.lock_file import LockFileError
from hil.ports.usb import UsbPort


def locked_by(port: UsbPort) -> Holder | None:
    """Who has locked this port; None if nobody has, or locks cannot be looked at."""
    path = _lock(port)
    return Holder.read(path) if path is not None and lock_file.is_held(path) else None


@contextmanager
def reserved(port: UsbPort) -> Iterator[Holder | None]:
    """Inside, the port is locked for this process, and None is given; or who else has it, and it is not."""
    path = _lock(port)
    try:
        descriptor = None if path is None else lock_file.take(path)
    except LockFileError:
        path = descriptor = None
    if path is None or descriptor is None:
        yield None if path is None else Holder.read(path)
        return
    try:
        me = replace(Holder.this_process(Path(), None), what=port.device)
        lock_file.write(descriptor, replace(me, rig="").as_json())
        yield None
    finally:
        lock_file.free(path, descriptor)


def _lock(port: UsbPort) -> Path | None:
    root = Path(os.path.dirname(os.path.dirname(port.device)))
    item = identity.port(port.device, [root])
    try:
        return None if item is None else lock_file.path_of(item.key)
    except LockFileError:
        return None
