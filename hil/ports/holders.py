"""Which programs have a port open, as /proc tells: of other users' programs only root sees it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Holder:
    """A program that has the port open: its process id and its command's name."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.command} (process {self.pid})"


def holders(devices: list[str]) -> dict[str, list[Holder]]:
    """Who has each of these devices open, by device. Opens none of them, raises nothing."""
    real = {os.path.realpath(device): device for device in devices}
    found: dict[str, list[Holder]] = {device: [] for device in devices}
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        for device in {real[target] for target in _open_files(folder) if target in real}:
            found[device].append(Holder(int(folder.name), _command(folder)))
    return found


def _open_files(process: Path) -> list[str]:
    targets = []
    try:
        for number in (process / "fd").iterdir():
            targets.append(os.readlink(number))
    except OSError:
        pass  # another user's, or gone
    return targets


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a program that has ended"
