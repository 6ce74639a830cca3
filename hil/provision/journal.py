"""What a partition held before it was written: kept on this host until the write is known to be good."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from hil.provision import ProvisionError

_FORMAT = 1


class Journal:
    """Files in `directory` for one board, one for each partition: a line of JSON that describes the bytes, the bytes.

    `identity`, in the files' names, tells apart pieces of hardware that take turns under one board name. The bytes hold
    whatever secrets the board holds: the directory gets mode 0700, a file 0600.
    """

    def __init__(self, directory: Path, board: str, identity: str = "") -> None:
        name = f"{board}-{identity.replace(':', '')}" if identity else board
        self._stem = directory / name

    def path(self, offset: int) -> Path:
        """The file of the partition at `offset`."""
        return self._stem.with_name(f"{self._stem.name}-{offset:x}.before")

    def read(self, offset: int, size: int) -> bytes | None:
        """The bytes of the partition at `offset`, if a write of this very partition was cut off, else None.

        Raises ProvisionError for a journal that cannot be read or is damaged.
        """
        path = self.path(offset)
        try:
            head, _, data = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ProvisionError(f"{path}: cannot be read ({error.strerror})") from None
        try:
            said = json.loads(head)
            sound = said["format"] == _FORMAT and said["sha256"] == hashlib.sha256(data).hexdigest()
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise ProvisionError(
                f"{path}: damaged, though it should hold the board's settings from before a write that was cut "
                "off; remove it to go on with what the board holds now"
            )
        return data if (said.get("offset"), len(data)) == (offset, size) else None

    def write(self, data: bytes, offset: int) -> None:
        """Keep `data`, safely on the disk when this returns. Raises ProvisionError if that cannot be."""
        said = {"format": _FORMAT, "offset": offset, "sha256": hashlib.sha256(data).hexdigest()}
        path = self.path(offset)
        beside = path.with_suffix(".new")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
            with open(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(json.dumps(said).encode() + b"\n" + data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except OSError as error:
            raise ProvisionError(
                f"{path}: cannot be written ({error.strerror}), and without it a power failure could lose the "
                "board's settings; nothing was changed on the board"
            ) from None

    def close(self, offset: int) -> None:
        """The write is done: forget what was before."""
        with contextlib.suppress(FileNotFoundError):
            self.path(offset).unlink()
