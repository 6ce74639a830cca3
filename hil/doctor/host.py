"""This machine, as the kernel tells of it: files below /sys, /dev, /proc, /etc and /run, under a root.

The root is '/' but in tests, which build a tree of their own. Nothing here changes anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hil.doctor.user import User
from hil.ports.processes import Held, held


@dataclass
class Host:
    """`root`: where this machine's tree begins. `user`: who wants to use it; None: who runs this."""

    root: Path = Path("/")
    user: User = field(default_factory=User.current)

    def path(self, path: str | Path) -> Path:
        """Where a path of the machine lies."""
        return self.root / str(path).lstrip("/")

    def real(self, path: str | Path) -> str:
        """The path of the machine that this one leads to, links followed."""
        found = self.path(path).resolve()
        root = self.root.resolve()
        return "/" + str(found.relative_to(root)) if found.is_relative_to(root) else str(found)

    def inside(self, path: str | Path) -> str:
        """The path of the machine for one that lies below the root."""
        return "/" + str(Path(path).relative_to(self.root))

    def text(self, path: str | Path) -> str | None:
        """The text of a file, stripped; None where it is not there or may not be read."""
        try:
            return self.path(path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def names(self, folder: str | Path) -> list[str]:
        """The names in a folder, sorted; none where it is not there or may not be read."""
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    @cached_property
    def held(self) -> Held:
        """Which process has which file, port or socket open; looked up once."""
        return held(self.path("/proc"))

    def group(self, number: int) -> str:
        """The name of a group, or its number where it has none here."""
        return next((name for name, gid, _ in self._groups() if gid == number), str(number))

    def groups_of(self, user: str) -> set[int]:
        """The groups that /etc/group gives a user: those of the next log-in."""
        return {gid for _, gid, members in self._groups() if user in members}

    def has_group(self, name: str) -> bool:
        """Whether /etc/group knows a group of this name."""
        return any(found == name for found, _, _ in self._groups())

    def user_name(self, number: int) -> str:
        """The name of a user, or the number where it has none here."""
        for line in (self.text("/etc/passwd") or "").split("\n"):
            fields = line.split(":")
            if len(fields) > 2 and fields[2] == str(number):
                return fields[0]
        return str(number)

    def container(self) -> str | None:
        """Which kind of container this runs in, or None: what systemd and the engines leave as a mark."""
        if self.path("/.dockerenv").exists():
            return "docker"
        if self.path("/run/.containerenv").exists():
            return "podman"
        return self.text("/run/systemd/container") or None

    def _groups(self) -> Iterator[tuple[str, int, list[str]]]:
        for line in (self.text("/etc/group") or "").split("\n"):
            fields = line.split(":")
            if len(fields) == 4 and fields[2].isdigit():
                yield fields[0], int(fields[2]), fields[3].split(",")
