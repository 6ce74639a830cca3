"""The buffer that sockets are read into."""

from __future__ import annotations

import threading
from typing import Final

READ: Final = 64 * 1024
"""Bytes that are read at once."""

_of_thread = threading.local()


def read_buffer() -> memoryview:
    """The one buffer of this thread, for all its connections.

    An asyncio loop fills it and hands it over in one go, with nothing in between, so whoever gets it has only to copy
    what it holds before it returns. One for each connection would be most of what an idle connection takes; asyncio's
    own way, 256 KiB allocated for each read, takes longer than the read.
    """
    buffer: memoryview | None = getattr(_of_thread, "buffer", None)
    if buffer is None:
        buffer = _of_thread.buffer = memoryview(bytearray(READ))
    return buffer
