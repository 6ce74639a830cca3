"""PEM for libraries that read it from files alone, without leaving a file that others could read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable


def through_a_file(pem: bytes, load: Callable[[str], object]) -> None:
    """ssl takes certificates from files alone: give it one that has no name (Linux), or that is gone at once."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("identity", os.MFD_CLOEXEC)
        try:
            with open(handle, "wb", closefd=False) as file:
                file.write(pem)
            load(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(pem)
            file.flush()
            load(file.name)
