"""Which process has what open: the links in /proc/PID/fd, as lsof and fuser read them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """`name`: its short name (15 characters), `command`: its arguments."""

    pid: int
    name: str
    command: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


@dataclass(frozen=True)
class Held:
    """`files`: what is open, by its path or as 'socket:[inode]', and by whom. `hidden`: processes not looked into.

    Those of other users can only be looked into by root. `all`: every process there is.
    """

    files: dict[str, list[Process]]
    all: list[Process]
    hidden: int

    def named(self, *names: str) -> list[Process]:
        """The processes of these names."""
        return [process for process in self.all if process.name in names]


def held(proc: Path) -> Held:
    """Look through `proc` once. Processes that end meanwhile are left out, and this one."""
    files: dict[str, list[Process]] = {}
    every, hidden = [], 0
    for folder in _folders(proc):
        process = _process(folder)
        if process is None:
            continue
        every.append(process)
        try:
            links = {_link(folder / "fd" / number) for number in os.listdir(folder / "fd")}
        except PermissionError:
            hidden += 1
            continue
        except OSError:
            continue
        for link in links - {None}:
            files.setdefault(str(link), []).append(process)
    return Held(files, every, hidden)


def _folders(proc: Path) -> Iterator[Path]:
    try:
        names = os.listdir(proc)
    except OSError:
        return
    for name in sorted((n for n in names if n.isdigit()), key=int):
        if int(name) != os.getpid():
            yield proc / name


def _process(folder: Path) -> Process | None:
    try:
        name = (folder / "comm").read_text(errors="replace").strip()
        command = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return None
    return Process(int(folder.name), name, tuple(word.decode(errors="replace") for word in command if word))


def _link(path: Path) -> str | None:
    try:
        return os.readlink(path).removesuffix(" (deleted)")
    except OSError:
        return None
