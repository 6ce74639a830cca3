"""A lock that all users of this host share, and that the kernel frees when its last holder dies, however that happens.

It is an open file description lock (fcntl(2), F_OFD_SETLK) on a file in one directory of this host. Such a lock belongs
to the opened file: a run takes it and hands its guardian the descriptor, and it is free once both are gone, or one of
them says so. Asking who has it (F_OFD_GETLK) takes nothing, so that looking never disturbs.

The directory is one that everybody may write to, so a file there is trusted with nothing: it is not followed if it is a
link, must be a regular file with one name, and is created with O_EXCL (with `fs.protected_regular` the kernel refuses
O_CREAT on another user's file). What it says is shown to people, after control characters have been taken out of it.

The standard library is all that this needs: the guardian's process uses it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import struct
import time
from pathlib import Path

#: struct flock of fcntl(2) with 64-bit offsets: type, whence, start, length, pid.
_FLOCK = "hhqqi4x"
#: Bytes: what somebody says of himself in a lock's file is shorter.
LONGEST_RECORD = 4096
#: Seconds that whoever creates a lock's file has to make it everybody's.
_CREATION = 2.0


class LockFileError(Exception):
    """A lock's file or its directory cannot be used; one line with the cure."""


def directory() -> Path:
    """Where this host's locks are: the same for every user, whoever asks.

    $HIL_LOCKS, else /run/lock if everybody may write there, else /tmp. Raises LockFileError.
    """
    said = os.environ.get("HIL_LOCKS")
    if said:
        path = Path(said)
        with contextlib.suppress(FileExistsError):
            try:
                path.mkdir(parents=True)
                path.chmod(0o1777)
            except PermissionError:
                raise LockFileError(f"HIL_LOCKS: {path} cannot be made by this user; name another folder") from None
        if not path.is_dir():
            raise LockFileError(f"HIL_LOCKS: {path} is no folder; name one that all users of the bench can write to")
        return path
    for path in (Path("/run/lock"), Path("/tmp")):
        with contextlib.suppress(OSError):
            # By its mode, not by what this user may: else root and others would look in different places.
            if path.stat().st_mode & 0o1002 == 0o1002:
                return path
    raise LockFileError(
        "neither /run/lock nor /tmp can be written to by all users (mode 1777); set HIL_LOCKS to a folder that can"
    )


def path_of(key: str) -> Path:
    """The file of the lock on what `key` names. Raises LockFileError."""
    return directory() / f"hil-{hashlib.sha256(key.encode()).hexdigest()[:20]}.lock"


def everywhere() -> list[Path]:
    """The files of all locks of this host, held or not. Raises LockFileError."""
    return sorted(directory().glob("hil-*.lock"))


def take(path: Path) -> int | None:
    """Take the lock if it is free: its descriptor; None if somebody has it. Raises LockFileError."""
    while True:
        descriptor = _open(path)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole(fcntl.F_WRLCK))
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return None
        # Its last holder may have taken the file away between opening and locking.
        with contextlib.suppress(FileNotFoundError):
            now, ours = os.stat(path, follow_symlinks=False), os.fstat(descriptor)
            if (now.st_dev, now.st_ino) == (ours.st_dev, ours.st_ino):
                return descriptor
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether anybody has the lock now. Takes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _whole(fcntl.F_WRLCK))
        return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def write(descriptor: int, record: bytes) -> None:
    """Say who holds the lock, which must be held."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, record[:LONGEST_RECORD], 0)


def read(path: Path) -> bytes:
    """What the lock's holder says of himself; b"" if nothing can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(descriptor, "rb", buffering=0) as file, contextlib.suppress(OSError):
        return file.read(LONGEST_RECORD) or b""
    return b""


def free(path: Path, descriptor: int) -> None:
    """Free the lock for all who hold this descriptor, and take its file away. Twice does nothing more."""
    with contextlib.suppress(OSError):
        ours, now = os.fstat(descriptor), os.stat(path, follow_symlinks=False)
        if (now.st_dev, now.st_ino) == (ours.st_dev, ours.st_ino):
            path.unlink()
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole(fcntl.F_UNLCK))
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _whole(kind: int) -> bytes:
    """What to ask fcntl(2) for: a lock of this kind on the whole file."""
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)


def _open(path: Path) -> int:
    """The lock's file, created if need be, everybody's to write. Raises LockFileError."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    patience = time.monotonic() + _CREATION
    while True:
        try:
            descriptor = os.open(path, flags)
            break
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                descriptor = _create(path, flags)
                break
        except PermissionError:
            if time.monotonic() > patience:
                raise LockFileError(f"{path}: {_whose(path)}, and only that user can use it; have it removed") from None
            time.sleep(0.01)  # somebody is just creating it
        except OSError as error:
            raise LockFileError(f"{path} is no file to lock ({error.strerror}); {_whose(path)}; remove it") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise LockFileError(f"{path} is no file to lock (no regular file of one name); {_whose(path)}; remove it")
    return descriptor


def _create(path: Path, flags: int) -> int:
    """Raises FileExistsError if somebody was quicker, LockFileError."""
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        raise
    except OSError as error:
        raise LockFileError(
            f"{path} cannot be made ({error.strerror}); have its folder writable by all, or set HIL_LOCKS"
        ) from None
    os.fchmod(descriptor, 0o666)  # whatever this user's umask is
    return descriptor


def _whose(path: Path) -> str:
    try:
        return f"it belongs to the user with id {os.stat(path, follow_symlinks=False).st_uid}"
    except OSError:
        return "it is gone by now"
