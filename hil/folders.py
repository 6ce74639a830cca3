"""Where the runs of a rig leave what they leave, and where what outlives a run lies."""

from __future__ import annotations

import datetime
from pathlib import Path

from hil.rig import Rig


def new_run_folder(rig: Rig) -> Path:
    """A new folder for a run below the rig's artifacts folder, named by date and time (UTC)."""
    parent = rig.resolve(rig.file.artifacts)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
        folder = parent / f"{stamp}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{parent}/{stamp} and 998 more exist")


def state_folder(rig: Rig) -> Path:
    """What outlives a run: the flash of virtual boards used by hand, and half-done provisioning."""
    return rig.resolve(rig.file.artifacts) / "state"
