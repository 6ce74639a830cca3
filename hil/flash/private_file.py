"""Data on its way to a tool, in a file: it may hold keys."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def private_file(data: bytes) -> Iterator[Path]:
    """A file that only its owner can read, and that is overwritten and gone afterwards: it may hold keys."""
    with tempfile.TemporaryDirectory(prefix="hil-flash-") as folder:
        file = Path(folder) / "write.bin"
        with open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            out.write(data)
        try:
            yield file
        finally:
            file.write_bytes(bytes(len(data)))
