"""What a night is to do, and which folder it does it in: a new one, or that of a night which was cut short."""

from __future__ import annotations

import contextlib
import datetime
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hil.firmware import Firmware, FirmwareError
from hil.flash.fingerprint import fingerprint
from hil.nightly import journal
from hil.nightly.clock import shown
from hil.nightly.policy import Policy
from hil.rig import Rig

PREFIX: Final = "nightly-"
"""What the folders of nights begin with, below the rig's artifacts."""
LINK: Final = "last-night"
"""A link beside them, to the last that was begun or gone on with."""
LONGEST: Final = 24 * 3600.0
"""Seconds after which a night without a deadline that was cut short is not gone on with: it is another night."""

WAIT: Final = 60.0
"""Seconds that a part waits for its boards, where nobody says otherwise: the last one of a runner that crashed may
still be closing its bench."""


class OtherNight(ValueError):
    """A folder that was named holds another night, or none. One line: what was found, what is expected."""


@dataclass(frozen=True)
class Plan:
    """`wait`: seconds that each part waits for boards that others have.

    `soak_until`, `deadline`: seconds since 1970, None for neither. `selection`: what pytest is told to choose by.

    `firmware`: as --firmware gives it. `doctor`: options of `hil doctor` that it is to have.
    """

    rig: Rig
    boards: tuple[str, ...]
    selection: tuple[str, ...]
    policy: Policy
    firmware: tuple[str, ...] = ()
    version: str | None = None
    revision: str | None = None
    soak_until: float | None = None
    deadline: float | None = None
    history: str | None = None
    wait: float = WAIT
    doctor: tuple[str, ...] = ()

    def identity(self) -> dict[str, Any]:
        """What makes it this night and no other. Raises OSError."""
        return {
            "rig": str(self.rig.path),
            "boards": list(self.boards),
            "selection": list(self.selection),
            "firmware": self._hashes(),
            "version": self.version,
            "revision": self.revision,
            "soak": self.soak_until is not None,
        }

    def _hashes(self) -> dict[str, str | None]:
        """The hash of each board's images; None where they are built for each run, or are not there yet."""
        found: dict[str, str | None] = {}
        with tempfile.TemporaryDirectory(prefix="hil-nightly-") as folder:
            for name in self.boards:
                board = self.rig.boards[name]
                built = board.contract.firmware.build is not None
                try:
                    images = [] if built else Firmware(board, Path(folder) / name).build()
                except FirmwareError:  # told when it is to be flashed: the other boards go on
                    images = []
                found[name] = fingerprint(images)["sha256"] if images else None
        return found

    def with_moments(self, record: journal.Record) -> Plan:
        """This plan with the times that the night was begun with: 06:00 is that of its morning, not of the next."""
        return replace(self, soak_until=record["soak_until"], deadline=record["deadline"])


def folder_for(plan: Plan, *, given: Path | None, resume: Path | None, new: bool, now: float) -> Path:
    """Where the night is: `given` or `resume`, that of one which was cut short (unless `new`), or a new one.

    Raises OtherNight, ValueError for a damaged journal, OSError.
    """
    if resume is not None:
        check(plan, resume)
        return resume
    if given is not None:
        if (given / journal.FILE).exists():
            check(plan, given)
        return given
    return (None if new else cut_short(plan, now)) or _new(plan.rig.resolve(plan.rig.file.artifacts), now)


def cut_short(plan: Plan, now: float) -> Path | None:
    """The night that was cut short and may still be gone on with, the newest if there are several."""
    artifacts = plan.rig.resolve(plan.rig.file.artifacts)
    return next((f for f in sorted(artifacts.glob(f"{PREFIX}*"), reverse=True) if _goes_on(plan, f, now)), None)


def check(plan: Plan, folder: Path) -> None:
    """See that the night in `folder` is this one. Raises OtherNight, ValueError and OSError."""
    begun = _begun(journal.read(folder))
    if begun is None:
        raise OtherNight(f"{folder}: found no {journal.FILE} of a night, expected the folder of one")
    wanted = plan.identity()
    other = [key for key in wanted if begun["identity"].get(key) != wanted[key]]
    if other:
        key = other[0]
        raise OtherNight(
            f"{folder}: found a night with {key} {begun['identity'].get(key)!r}, expected {wanted[key]!r}; say what it "
            "was begun with, or --new"
        )


def _goes_on(plan: Plan, folder: Path, now: float) -> bool:
    """Whether this night was cut short, is the one that is wanted, and has time left."""
    try:
        records = journal.read(folder)
    except (ValueError, OSError):
        return False
    begun = _begun(records)
    if begun is None or any(record["what"] == "end" for record in records):
        return False
    late = begun["at"] + LONGEST if begun["deadline"] is None else begun["deadline"]
    return bool(now < late and begun["identity"] == plan.identity())


def _begun(records: list[journal.Record]) -> Mapping[str, Any] | None:
    return next((record for record in records if record["what"] == "night"), None)


def _new(artifacts: Path, now: float) -> Path:
    day = datetime.datetime.fromtimestamp(now).date().isoformat()
    for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
        folder = artifacts / f"{PREFIX}{day}{suffix}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise FileExistsError(f"{artifacts}/{PREFIX}{day} and 998 more exist")


def link_to(folder: Path) -> None:
    """Have `last-night` beside the night's folder lead to it, so that others find it. What is no link there stays."""
    link = folder.parent / LINK
    if link.exists() and not link.is_symlink():
        return
    draft = folder.parent / f".{LINK}.{os.getpid()}"
    draft.symlink_to(folder.name)
    draft.replace(link)


def in_words(plan: Plan) -> str:
    """What is ahead, in a line."""
    words = [f"{len(plan.boards)} board{'s' * (len(plan.boards) > 1)} of rig {plan.rig.name}"]
    if plan.soak_until is not None:
        words.append(f"soak until {shown(plan.soak_until)}")
    if plan.deadline is not None:
        words.append(f"all over by {shown(plan.deadline)}")
    return ", ".join(words)


def now() -> float:
    """Seconds since 1970."""
    return time.time()
