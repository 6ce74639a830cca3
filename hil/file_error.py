"""What is wrong with a file that somebody wrote. By itself, so that to catch it takes no import of what reads files."""

from __future__ import annotations

from pathlib import Path


class FileError(ValueError):
    """A rig, contract or policy file that cannot be used. `str()` is one line a fault, each naming file and key."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        self.path = path
        self.faults = faults
        super().__init__("\n".join(f"{path}: {fault}" for fault in faults))
