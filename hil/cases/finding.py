"""Where cases lie: a folder by its path, or by its name alone in the folder of all cases."""

from __future__ import annotations

import os
from pathlib import Path

from hil.cases.case import FILE

FOLDER = "cases"
"""Where cases are by custom, from the working directory on; $HIL_CASES says otherwise."""


def home() -> Path:
    """The folder of all cases."""
    return Path(os.environ.get("HIL_CASES", FOLDER))


def find(name: str) -> Path:
    """The folder that a command means: a path, or else the name of a case in the folder of all."""
    path = Path(name).expanduser()
    if path.exists() or len(path.parts) != 1:
        return path
    return home() / path


def all_in(folder: Path) -> list[Path]:
    """The cases in a folder, by name."""
    return sorted(path.parent for path in folder.glob(f"*/{FILE}"))
