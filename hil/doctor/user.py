"""Whether a user may open a device, and by what right: mode, groups, access control list.

The order of rights is that of POSIX 1003.1e (draft 17), as acl(5) gives it: owner, named users, groups, all others; the
mask limits all but the owner and the others. The list's bytes are those of the kernel's
include/uapi/linux/posix_acl_xattr.h: a version (2), and entries of tag, permissions and id.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

#: The extended attribute that holds a file's list.
ACL = "system.posix_acl_access"
_VERSION = 2
_USER, _OWNING_GROUP, _GROUP, _MASK = 0x02, 0x04, 0x08, 0x10
_READ_AND_WRITE = 6


@dataclass(frozen=True)
class User:
    """A user as a session has them. `groups`: the numbers that the session got when it began."""

    uid: int
    groups: frozenset[int]

    @classmethod
    def current(cls) -> User:
        """Who runs this process."""
        return cls(os.geteuid(), frozenset([*os.getgroups(), os.getegid()]))


@dataclass(frozen=True)
class Entry:
    """An entry of an access control list: whose it is, and the permissions (bits of a mode).

    `kind`: 'user', 'group', 'owning group' or 'mask'; the last two have no `number`.
    """

    kind: str
    number: int
    allowed: int


def read_acl(path: Path) -> list[Entry]:
    """The named entries of a file's list; none where it has none, or its file system knows none."""
    try:
        return parse_acl(os.getxattr(path, ACL))
    except OSError:
        return []


def parse_acl(data: bytes) -> list[Entry]:
    """The named users and groups of a list, and its mask; none for bytes that are no list."""
    if len(data) < 4 or (len(data) - 4) % 8 or struct.unpack_from("<I", data)[0] != _VERSION:
        return []
    kinds = {_USER: "user", _OWNING_GROUP: "owning group", _GROUP: "group", _MASK: "mask"}
    return [
        Entry(kinds[tag], number, allowed)
        for tag, allowed, number in struct.iter_unpack("<HHI", data[4:])
        if tag in kinds
    ]


def right(user: User, status: os.stat_result, acl: list[Entry]) -> str | None:
    """By what right `user` may read and write: 'root', 'owner', 'acl', 'group' or 'everybody'; None if they may not."""
    mode = status.st_mode
    if not mode & 0o070:
        acl = []  # Linux does not look at a list whose mask is empty (fs/namei.c, acl_permission_check)
    mask = next((entry.allowed for entry in acl if entry.kind == "mask"), 7)
    if user.uid == 0:
        return "root"
    if user.uid == status.st_uid:
        return "owner" if _both(mode >> 6) else None
    for entry in acl:
        if entry.kind == "user" and entry.number == user.uid:
            return "acl" if _both(entry.allowed & mask) else None
    named = [entry for entry in acl if entry.kind == "group" and entry.number in user.groups]
    # With a list, the middle bits of the mode are its mask, and the owning group has an entry of its own.
    owning = next((entry.allowed & mask for entry in acl if entry.kind == "owning group"), mode >> 3)
    if status.st_gid in user.groups and _both(owning):
        return "group"
    if any(_both(entry.allowed & mask) for entry in named):
        return "acl"
    if named or status.st_gid in user.groups:
        return None
    return "everybody" if _both(mode) else None


def _both(bits: int) -> bool:
    return bits & _READ_AND_WRITE == _READ_AND_WRITE
