"""Firmware images told apart: by names for people, and by what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hil.cases.case import digest


def named(paths: Sequence[Path]) -> list[str]:
    """For each image the shortest end of its path that no other has: `1.4.2.bin`, or `1.4.2/app.bin` beside
    `1.4.1/app.bin`. The ending is left out where all have the same.

    Raises ValueError where one path is given twice.
    """
    whole = [path.expanduser().resolve() for path in paths]
    twice = next((path for path in whole if whole.count(path) > 1), None)
    if twice is not None:
        raise ValueError(f"found {twice} twice, expected each firmware once")
    for length in range(1, max((len(path.parts) for path in whole), default=1) + 1):
        names = ["/".join(path.parts[-length:]) for path in whole]
        if len(set(names)) == len(names):
            break
    endings = {path.suffix for path in whole}
    if len(endings) == 1 and endings <= {".bin", ".hex", ".elf", ".uf2"}:
        return [name.removesuffix(next(iter(endings))) for name in names]
    return names


def identity(path: Path) -> str:
    """The hash of an image, or of all images of a folder. Raises OSError."""
    if not path.is_dir():
        return digest(path)
    files = sorted(inner for inner in path.iterdir() if inner.is_file())
    return " ".join(f"{inner.name}={digest(inner)}" for inner in files)
