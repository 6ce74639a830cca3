"""What only the chip itself can say: does it answer, does it encrypt its flash, does it ask for signatures.

Asking resets a board, so this is no part of `hil.doctor.examine`; `hil doctor --probe` does it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hil import parts, places
from hil.console import ConsoleError
from hil.doctor import Finding
from hil.flash import FlashError
from hil.flash.esptool import Esptool
from hil.flash.security import Security
from hil.guardian.locks import Taken, locked
from hil.power import PowerError
from hil.rig import Rig, RigBoard
from hil.timeline import Timeline
from hil.virtual_board import VirtualBoardError

#: Places that are filled by the running firmware, or by nobody: flash encryption does not keep settings out of them.
_NOT_THROUGH_FLASH = (places.ConsolePlace, places.EspAtPlace, places.Nowhere)


def probe(rig: Rig, boards: list[RigBoard], artifacts: Path) -> Iterator[Finding]:
    """Ask each chip, one after the other. Each is reset, and has its power afterwards as it had it before.

    `artifacts`: the folder for the tool's log and the console's.
    """
    for board in boards:
        about = f"{board.name} chip"
        try:
            found = _ask(rig, board, artifacts)
        except (ConsoleError, FlashError, PowerError, VirtualBoardError, Taken) as error:
            reason = str(error).split("\n")[0].removeprefix(f"board {board.name}: ")
            yield Finding("fault", about, reason, f"more is in {artifacts}")
            continue
        if found is None:
            yield Finding("ok", about, "not asked: only chips that esptool flashes have something to say")
        else:
            yield from judge(about, found, board)


def _ask(rig: Rig, board: RigBoard, artifacts: Path) -> Security | None:
    state = parts.state_folder(rig)
    with locked(rig, [board.name], state=state), contextlib.ExitStack() as closing:
        line = parts.open_line(rig, board, Timeline(), artifacts, state, closing)
        if line.power.can_cut and line.power.is_on() is False:
            closing.callback(line.power.off)
            line.power.on()
        return line.flasher.security() if isinstance(line.flasher, Esptool) else None


def judge(about: str, found: Security, board: RigBoard) -> Iterator[Finding]:
    """What the chip's answer means for this board and its contract."""
    if found == Security():
        yield Finding("ok", about, "answers; no flash encryption, no secure boot")
        return
    hindrance = found.hinders_provisioning
    if hindrance is not None:
        why, _, cure = hindrance.partition("; ")
        through_flash = not all(isinstance(place, _NOT_THROUGH_FLASH) for place in board.contract.provision)
        if through_flash:
            yield Finding("fault", about, why, cure or "take a board that is not in secure download mode")
        else:
            yield Finding("note", about, why, "images have to be encrypted before they are flashed")
    if found.secure_boot is not None:
        yield Finding(
            "note",
            about,
            f"secure boot is on ({found.secure_boot}): an app without a signature does not start",
            "sign what is flashed (espsecure sign-data), or take a board without it",
        )
