"""Boards whose bootloader is a USB drive (RP2040 and many others): the UF2 file is copied onto it.

The copy is a process (dd), because a drive that goes away can block whoever writes to it. When the last block has come,
the board starts the program and takes its drive away; that is how one knows that it took it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hil.flash import Image
from hil.flash.touch import LOOK_AGAIN, TouchError, touch
from hil.flash.upload import Line, Uploader
from hil.wire import uf2

Found = TypeVar("Found")

#: What every such drive has in its root, with lines such as 'Board-ID: RPI-RP2' (the specification's 'Embedding').
ABOUT = "INFO_UF2.TXT"


def mounted() -> list[Path]:
    """The folders at which file systems are mounted now."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return [Path(re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), line.split()[1])) for line in lines]


class Uf2Copy(Uploader):
    """`drive`: where the drive is mounted; found by `board_id` (part of its Board-ID line) without.

    `appears`: seconds in which the drive has to be mounted after the 1200-baud touch; `leaves`: and has to be gone
    after the copy. `touches` False: the board is brought into its bootloader otherwise.
    """

    tool = "uf2"
    program = "dd"
    package = "apt-get install coreutils"
    cures = (
        ("Permission denied", "have the drive mounted for this user (udisksctl mount -b /dev/disk/by-label/...)"),
        ("No space left", "the program is too large for this board"),
        ("Read-only file system", "have the drive mounted for writing"),
    )

    def __init__(
        self,
        line: Line,
        *,
        drive: Path | None = None,
        board_id: str = "",
        touches: bool = True,
        appears: float = 15.0,
        leaves: float = 15.0,
        mounts: Callable[[], list[Path]] = mounted,
        touching: Callable[[str], None] = touch,
    ) -> None:
        super().__init__(line)
        self._drive = drive
        self._board_id = board_id
        self._touches = touches
        self._appears = appears
        self._leaves = leaves
        self._mounts = mounts
        self._touching = touching

    def upload(self, image: Image) -> None:
        """See `hil.flash.upload.Uploader`."""
        try:
            about = uf2.parse(image.path.read_bytes())
        except uf2.BadUf2 as error:
            raise self.error(f"{image.path.name} is no sound UF2 file: {error}; build it anew") from error
        drive = self._find()
        if drive is None and self._touches:
            try:
                self._touching(self.port)
            except TouchError as error:
                raise self.error(str(error)) from error
        drive = drive or self._wait_for(self._find, self._appears)
        if drive is None:
            where = str(self._drive) if self._drive else f"any with {self._board_id!r} in its {ABOUT}"
            raise self.error(
                f"no bootloader's drive was mounted within {self._appears:g} s (looked at {where}); hold BOOTSEL or "
                "press reset twice, and have drives mounted by themselves, or name where in the rig's flasher"
            )
        self.timeline.record("flash", "bootloader", self.board, drive=str(drive))
        done = self.try_run([f"if={image.path}", f"of={drive / image.path.name}", "bs=4096", "conv=fsync"])
        # The board leaves when it has the last block, which may be before the system has finished the file.
        if not self._wait_for(lambda: not (drive / ABOUT).exists(), self._leaves):
            if done.ended != "exit" or done.code:
                raise self.failed(done)
            names = ", ".join(sorted(uf2.FAMILIES.get(f, f"{f:#x}") for f in about.families)) or "no family"
            raise self.error(
                f"its drive is still there {self._leaves:g} s after the copy: it did not take the file, which is for "
                f"{names}; build it for this board"
            )
        if done.ended != "exit":
            raise self.failed(done)

    def _find(self) -> Path | None:
        for folder in [self._drive] if self._drive is not None else self._mounts():
            try:
                text = (folder / ABOUT).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            if self._board_id in next((ln for ln in text.splitlines() if ln.startswith("Board-ID:")), ""):
                return folder
        return None

    def _wait_for(self, what: Callable[[], Found], within: float) -> Found | None:
        deadline = time.monotonic() + within
        while not (found := what()):
            if self.stopped.is_set():
                raise self.error("flashing was stopped: the bench closes")
            if time.monotonic() > deadline:
                return None
            self.stopped.wait(LOOK_AGAIN)
        return found
