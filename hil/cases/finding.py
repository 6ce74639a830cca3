"""Where cases lie: a folder by its path, by its name alone in the folder of all cases, or one that comes with hil."""

from __future__ import annotations

import os
from pathlib import Path

from hil.cases.case import FILE

FOLDER = "cases"
"""Where cases are by custom, from the working directory on; $HIL_CASES says otherwise."""


SHIPPED = Path(__file__).parent
"""The cases that come with hil lie below it: field/NAME."""


def home() -> Path:
    """The folder of all cases."""
    return Path(os.environ.get("HIL_CASES", FOLDER))


def find(name: str) -> Path:
    """The folder that a command means: a path, else the name of a case in the folder of all, or 'field/NAME'.

    `./NAME` is a path, as in a shell.
    """
    path = Path(name).expanduser()
    if path.exists() or name.startswith(f".{os.sep}"):
        return path
    if not path.is_absolute() and (SHIPPED / path / FILE).exists():
        return SHIPPED / path
    return home() / path if len(path.parts) == 1 else path


def all_in(folder: Path) -> list[Path]:
    """The cases in a folder, by name."""
    return sorted(path.parent for path in folder.glob(f"*/{FILE}"))


def shipped() -> list[Path]:
    """The cases that come with hil, by name."""
    return sorted(path.parent for path in SHIPPED.glob(f"*/*/{FILE}"))


def name_of(folder: Path) -> str:
    """The name by which `find` finds a case that comes with hil."""
    return folder.relative_to(SHIPPED).as_posix()
