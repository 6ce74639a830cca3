"""`--keep N`: the folders of old nights are deleted, so that a lab's disk does not fill up."""

from __future__ import annotations

import shutil
from pathlib import Path

from hil.nightly import journal
from hil.nightly.plan import PREFIX


def prune(folder: Path, keep: int) -> list[Path]:
    """Delete the oldest of this rig's nights beside `folder`, all but `keep`, that one among the kept; returns which.

    Only what is named as nights are, and has a journal that nobody writes, is one. What cannot be deleted stays.
    """
    rig = _rig(folder)
    nights = [one for one in folder.parent.glob(f"{PREFIX}*") if (one / journal.FILE).is_file() and one != folder]
    nights = [one for one in nights if _rig(one) == rig]
    nights.sort(key=lambda one: (one / journal.FILE).stat().st_mtime, reverse=True)
    gone = []
    for one in nights[keep - 1 :]:
        try:
            journal.Journal(one).close()
        except (journal.NightTaken, ValueError, OSError):
            continue
        shutil.rmtree(one, ignore_errors=True)
        if not one.exists():
            gone.append(one)
    return gone


def _rig(night: Path) -> str | None:
    """The rig file that a night was of; None where its journal does not say."""
    try:
        records = journal.read(night)
    except (ValueError, OSError):
        return None
    return next((record["identity"].get("rig") for record in records if record["what"] == "night"), None)
