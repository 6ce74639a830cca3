"""Files of a firmware's sources that hold a board's settings while it is built, and only that long.

Beside each file lies a note of what was there before: the file itself as `NAME.hil-before`, or an empty
`NAME.hil-absent`. A run that is killed leaves it there, and the next one puts things right first: nothing of the
user's is lost, and no key stays behind.

Boards that share sources take turns: whoever holds the folder's lock has its own settings in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from hil.pem.check import tracked
from hil.provision import ProvisionError

#: How often whoever waits for a folder looks whether the bench closes, in seconds.
_PATIENCE = 0.2


@contextlib.contextmanager
def borrowed(folder: Path, contents: Mapping[Path, bytes], *, secret: bool, stopped: threading.Event) -> Iterator[None]:
    """Inside, the files hold `contents` (mode 0600); afterwards they are as they were.

    `folder`: what boards take turns at. `secret`: a file that git tracks must not hold them. `stopped` ends the
    waiting. Raises ProvisionError, with nothing changed.
    """
    missing = next((path.parent for path in contents if not path.parent.is_dir()), None)
    if missing is not None:
        raise ProvisionError(f"{missing}: no such folder; make it, or correct the place that names it in the contract")
    if secret:
        for path in contents:
            _refuse_tracked(path)
    with _turn(folder, stopped):
        for path in contents:
            _put_back(path)
        try:
            for path, data in contents.items():
                _put(path, data)
            yield
        finally:
            for path in contents:
                _put_back(path)


@contextlib.contextmanager
def _turn(folder: Path, stopped: threading.Event) -> Iterator[None]:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ProvisionError(f"{folder}: cannot be opened ({error.strerror})") from None
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stopped.wait(_PATIENCE):
                    raise ProvisionError(f"{folder}: still in use by another board's build; the bench closes") from None
        yield
    finally:
        os.close(handle)


def _put(path: Path, data: bytes) -> None:
    before, absent, new = (path.with_name(f"{path.name}.hil-{word}") for word in ("before", "absent", "new"))
    try:
        if path.exists():
            path.rename(before)
        else:
            absent.touch(mode=0o600)
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
        new.replace(path)
        found = path.read_bytes()
    except OSError as error:
        raise ProvisionError(f"{path}: cannot be written ({error.strerror}); check its folder's mode") from None
    if found != data:
        raise ProvisionError(f"{path}: {len(found)} bytes read back, which are not the {len(data)} that were written")


def _put_back(path: Path) -> None:
    """As it was before; does nothing if nobody has borrowed it."""
    before, absent, new = (path.with_name(f"{path.name}.hil-{word}") for word in ("before", "absent", "new"))
    try:
        new.unlink(missing_ok=True)
        if before.exists():
            before.replace(path)
        elif absent.exists():
            path.unlink(missing_ok=True)
        absent.unlink(missing_ok=True)
    except OSError as error:
        raise ProvisionError(f"{path}: cannot be put back as it was ({error.strerror}); see {before.name}") from None


def _refuse_tracked(path: Path) -> None:
    if tracked(path):
        raise ProvisionError(
            f"{path}: git tracks it, and a secret would go into it; `git rm --cached {path.name}`, add it to "
            ".gitignore, and issue anew what it may hold already"
        )
