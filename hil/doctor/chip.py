"""What only the chip itself can say: does it answer, does it encrypt its flash, does it ask for signatures.

Asking resets a board, so it is done for `hil doctor --probe` only.
"""

from __future__ import annotations

from collections.abc import Iterator

from hil import places
from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding
from hil.doctor.line import HINDRANCES, opened, reason
from hil.flash.esptool import Esptool
from hil.flash.security import Security
from hil.rig import RigBoard

#: Places that are filled by the running firmware, or by nobody: flash encryption does not keep settings out of them.
_NOT_THROUGH_FLASH = (places.ConsolePlace, places.EspAtPlace, places.Nowhere)


def _not_asked(case: Case) -> Iterator[Finding]:
    for board in case.real if "--probe" not in case.options else ():
        if not board.config.resets_by_dtr:
            yield Finding(
                "note",
                f"{board.name} chip",
                "was not asked for flash encryption and secure boot",
                f"hil doctor --probe --board {board.name} asks it, which resets the board",
            )


def _probe(case: Case) -> Iterator[Finding]:
    """Ask each chip, one after the other. Each is reset, and has its power afterwards as it had it before."""
    for board in case.boards:
        about = f"{board.name} chip"
        try:
            found = _ask(case, board)
        except HINDRANCES as error:
            yield Finding("fault", about, reason(error, board), f"more is in {case.artifacts}")
            continue
        if found is None:
            yield Finding("ok", about, "not asked: only chips that esptool flashes have something to say")
        else:
            yield from judge(about, found, board)


def _ask(case: Case, board: RigBoard) -> Security | None:
    with opened(case, board) as line:
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


CHECKS = (
    Check(
        "chip-unasked",
        "whether the chips have been asked for flash encryption and secure boot",
        "`hil doctor --probe`",
        _not_asked,
    ),
    Check(
        "chip",
        "the chip answers esptool, and says whether it encrypts its flash and asks for signatures; resets the board",
        "another board; signed images",
        _probe,
        asked="--probe",
    ),
)
