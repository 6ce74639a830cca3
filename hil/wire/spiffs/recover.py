"""What a partition should hold after a write of it was cut off: all that was there, and what firmware wrote since.

SPIFFS has no checksums: a file that lost bytes to a power failure may look whole. But where they were the flash is
still erased, and that tells it from a file that firmware has changed, as firmware never writes a page in its old place.
"""

from __future__ import annotations

from hil.wire.spiffs.geometry import PAGE_HEADER, Geometry, NotSpiffs
from hil.wire.spiffs.merge import merge
from hil.wire.spiffs.reader import File, Pages, parse
from hil.wire.spiffs.recognise import check


def overlay(before: bytes, now: bytes, geometry: Geometry | None = None) -> bytes:
    """The partition as it was `before` the write, with each whole file that it holds `now` in another form.

    Raises SpiffsFull if both together do not fit.
    """
    geometry = geometry or Geometry()
    if not _mounts(now, geometry):
        return before
    if not _mounts(before, geometry):
        return now
    then, pages = parse(before, geometry).files, (Pages(before, geometry), Pages(now, geometry))
    newer = {
        name: file.content
        for name, file in parse(now, geometry).by_name().items()
        if file.content is not None and then.get(name) != file.content and not _torn(file, *pages)
    }
    return merge(before, newer, geometry)


def _mounts(data: bytes, geometry: Geometry) -> bool:
    try:
        check(data, geometry)
    except NotSpiffs:
        return False
    return True


def _torn(file: File, before: Pages, now: Pages) -> bool:
    """Whether a page of the file is what it was before up to a point, and erased from there on."""
    for number in file.pages:
        old, new = before.page(number), now.page(number)
        written = new.rstrip(b"\xff")
        if old != new and old[: PAGE_HEADER.size] == new[: PAGE_HEADER.size] and old.startswith(written):
            return True
    return False
