"""Firmware with settings built into it, kept for a night: its parts have the same settings, and build them once.

The settings are the same where the rig fixes its ports and keeps its authority; else each part has its own, and builds.
Of each run only the first build is kept, that of the settings which were agreed: what tests change is theirs alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hil.flash import Image

VARIABLE: Final = "HIL_KEPT_BUILDS"
"""Names the folder of a night for them; without it nothing is kept."""


class KeptBuilds:
    """Those of one board. They hold its key: nobody but its owner may read them."""

    def __init__(self, board: str) -> None:
        folder = os.environ.get(VARIABLE)
        self._folder = Path(folder) / f"{board}.settings" if folder else None
        self._full = False

    def find(self, settings: str) -> list[Image]:
        """The images with these settings, in order of their offsets; none if they were not built yet."""
        files = [] if self._folder is None else (self._folder / settings).glob("*")
        found = [Image(int(file.name.partition("-")[0], 16), file) for file in files]
        return sorted(found, key=lambda image: image.offset)

    def keep(self, settings: str, images: Sequence[Image]) -> None:
        """Keep them, if they are the first of this run: all of them, or none where that cannot be."""
        if self._folder is None or self._full:
            return
        self._full = True
        with contextlib.suppress(OSError):  # no room, or another process was faster: then they are built again
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder.parent, prefix=".", ignore_cleanup_errors=True) as draft:
                for image in images:
                    name = f"{image.offset:x}-{image.path.name.removeprefix(f'{image.offset:x}-')}"
                    shutil.copyfile(image.path, Path(draft, name))
                    Path(draft, name).chmod(0o600)
                Path(draft).rename(self._folder / settings)


def name_of(contents: Mapping[Path, bytes]) -> str:
    """What settings are kept under: a hash of the files that they make."""
    whole = hashlib.sha256()
    for path in sorted(contents):
        for part in (str(path).encode(), contents[path]):
            whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:32]
