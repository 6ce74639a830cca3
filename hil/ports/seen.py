"""What was last seen of each board of a rig, kept between runs: one small JSON file for each, in the state folder."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Seen:
    """`mac` and `chip` as the chip itself said, `serial_number` and `location` as USB did; None for what nobody told.

    `day`: when it was first seen like this, '2026-01-31'.
    """

    mac: str | None = None
    chip: str | None = None
    serial_number: str | None = None
    location: str | None = None
    day: str = ""


class Register:
    """The records in `folder`. A file that cannot be read counts as none; one that cannot be written is an OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, board: str) -> Seen | None:
        """What was last seen of this board."""
        try:
            facts = json.loads((self._folder / f"{board}.json").read_text())
            kept = {key: None if value is None else str(value) for key, value in facts.items()}
            return Seen(**{**kept, "day": kept.get("day") or ""})  # type: ignore[arg-type]
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def write(self, board: str, seen: Seen) -> None:
        """Keep what was seen, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        number, draft = tempfile.mkstemp(dir=self._folder, prefix=f".{board}.")
        with open(number, "w") as file:
            json.dump(asdict(seen), file)
        os.replace(draft, self._folder / f"{board}.json")

    def forget(self, board: str) -> bool:
        """Forget this board; whether there was anything to forget."""
        try:
            (self._folder / f"{board}.json").unlink()
        except FileNotFoundError:
            return False
        return True
