"""The firmware of a night: made once, before anything is flashed, and kept in the night's folder for all its parts.

    NIGHT/firmware/kit-1/firmware.bin

Whatever is built or overwritten meanwhile, one night is about one firmware, also where it is gone on with. Firmware
that its settings are built into cannot be made before there is a bench: parts make it, `hil.provision.kept_builds`.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hil.firmware import Firmware, FirmwareError
from hil.flash import Image
from hil.flash.fingerprint import fingerprint
from hil.nightly.clock import shown
from hil.nightly.journal import Journal
from hil.nightly.plan import Plan, now
from hil.rig import RigBoard

FOLDER: Final = "firmware"
"""Below the night's folder: a folder for each board, and `BOARD.build` with what its build left, its log for one."""
RECORD: Final = "firmware"
"""What a record of the journal is called that says what is kept: `board`, `sha256`, `version`, `file`."""


class Images:
    """What each board of the night in `folder` gets.

    `notes` has a line for each board whose contract makes another firmware by now than the night began with.
    """

    def __init__(self, plan: Plan, folder: Path, journal: Journal, say: Callable[[str], None]) -> None:
        self.notes: list[str] = []
        self._plan = plan
        self._folder = folder
        self._journal = journal
        self._say = say

    def make(self, boards: Iterable[str]) -> dict[str, str]:
        """Have the firmware of these boards here, or say of each why not. Ends at the deadline. Raises OSError."""
        failed = {}
        for name in boards:
            board, record = self._plan.rig.boards[name], self._kept().get(name)
            if board.contract.settings_in_firmware or self._late:
                continue
            try:
                if record is None:
                    self._make(board)
                else:
                    self._compare(board, record)
            except FirmwareError as error:
                if not self._late:
                    failed[name] = str(error)
        return failed

    def given(self, boards: Sequence[str]) -> list[str]:
        """What a part on these boards is told by --firmware."""
        kept = self._kept()
        told = [] if all(name in kept for name in boards) else list(self._plan.firmware)
        return [*told, *(f"{name}={self._folder / kept[name]['file']}" for name in boards if name in kept)]

    def names(self) -> list[str]:
        """What the firmware is called, each once, as in the history."""
        told = ((record["version"], record["sha256"]) for record in self._kept().values())
        return list(dict.fromkeys(f"{version} ({sha256[:8]})" if version else sha256[:12] for version, sha256 in told))

    # -- one board -------------------------------------------------------------------------------------------------

    def _make(self, board: RigBoard) -> None:
        place = self._folder / FOLDER / board.name
        images = self._built(board, place.with_name(f"{board.name}.build"))
        if len({image.path.name for image in images}) < len(images):
            self._say(f"firmware: {board.name}: several of its images have one name, so each part has them made anew")
            return
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        kept = [Image(image.offset, Path(shutil.copy(image.path, place / image.path.name))) for image in images]
        found = fingerprint(kept)
        file = place if len(kept) > 1 else kept[0].path
        about = {"version": found["version"], "file": str(file.relative_to(self._folder))}
        self._journal.write(RECORD, board=board.name, sha256=found["sha256"], **about)
        self._say(f"firmware: {board.name} gets {found['sha256'][:12]}")

    def _compare(self, board: RigBoard, record: Mapping[str, Any]) -> None:
        """Of a night that is gone on with: see that its firmware is still here, and note if by now it would be other.

        Raises FirmwareError where it is not.
        """
        place = self._folder / record["file"]
        kept = [place] if place.is_file() else sorted(place.glob("*"))
        if not kept:
            raise FirmwareError(f"{place}, which this night has tested, is gone; begin another one with --new")
        if board.contract.firmware.build is None:
            return
        words = f"goes on with {record['sha256'][:12]}, built {shown(record['at'])}; --new tests the other one"
        try:
            with tempfile.TemporaryDirectory(prefix="hil-nightly-") as folder:
                sha256 = fingerprint(self._built(board, Path(folder)))["sha256"]
        except FirmwareError as error:
            self._note(f"{board.name}: cannot be built any more ({error}); {words}")
        else:
            if sha256 != record["sha256"]:
                self._note(f"{board.name}: its contract builds {sha256[:12]} by now; {words}")

    def _built(self, board: RigBoard, folder: Path) -> list[Image]:
        """Its images, built into this folder; the deadline ends a build."""
        firmware, deadline = Firmware(board, folder), self._plan.deadline
        timer = None if deadline is None else threading.Timer(max(0.0, deadline - now()), firmware.stop)
        if timer is None:
            return firmware.build()
        timer.daemon = True
        timer.start()
        try:
            return firmware.build()
        finally:
            timer.cancel()

    def _note(self, words: str) -> None:
        self.notes.append(words)
        self._say(f"firmware: {words}")

    # -- what is known ---------------------------------------------------------------------------------------------

    def _kept(self) -> dict[str, Mapping[str, Any]]:
        return {record["board"]: record for record in self._journal.records if record["what"] == RECORD}

    @property
    def _late(self) -> bool:
        return self._plan.deadline is not None and now() >= self._plan.deadline
