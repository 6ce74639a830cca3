"""What is known to lie in a board's flash without asking it: read from the timeline alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.flash import Image
from hil.flash.fingerprint import fingerprint
from hil.timeline import Timeline, where
from hil.wire.partitions import TABLE_SIZE

_CHANGES: Final = ("start", "failed", "erase", "write")
"""What a flasher says when it changes the flash, or may have changed it: one that fails has perhaps erased already."""

_TABLE: Final = 0x8000
"""Where an ESP's partition table lies unless a build says otherwise (ESP-IDF, CONFIG_PARTITION_TABLE_OFFSET)."""


def held(timeline: Timeline, board: str) -> dict[int, str] | None:
    """The SHA-256 of the images by their offsets, as they were written, or found to be there, in this run.

    None where that is not known: nothing was flashed yet; or, later than that, something was written, erased or broken
    off. What a provisioner that came to its end has written is no such thing: it keeps to the partition of settings.
    """
    told = timeline.last(where("flash", "firmware", board))
    if told is None:
        return None
    provisioning = False
    for event in timeline.events(lambda event: event.board == board, after=told.sequence + 1):
        match event.source, event.kind:
            case "provision", "start":
                provisioning = True
            case "provision", "done":
                provisioning = False
            case "provision", "failed":
                return None
            case "flash", kind if kind in _CHANGES and not (provisioning and kind == "write"):
                return None
    return None if provisioning else {image["offset"]: image["sha256"] for image in told["images"]}


def holds(timeline: Timeline, board: str, images: Sequence[Image]) -> bool:
    """Whether the flash is known to hold these very images, as their files are now; not where a file is missing."""
    known = held(timeline, board)
    if known is None:
        return False
    try:
        wanted = {image["offset"]: image["sha256"] for image in fingerprint(images)["images"]}
    except OSError:
        return False
    return known == wanted


def spans_settings(images: Sequence[Image]) -> bool:
    """Whether one of them goes from before an ESP's partition table to behind it, as `esptool merge-bin` makes them.

    Where it was written, the partitions that lie between table and app hold what fills the image: settings are gone.
    """
    ends = {image.offset: image.offset + image.path.stat().st_size for image in images}
    return any(begin < _TABLE and end > _TABLE + TABLE_SIZE for begin, end in ends.items())
