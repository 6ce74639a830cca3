"""Provisioning through files of a SPIFFS partition, as Arduino sketches and ESP-IDF firmware read them.

The partition table on the board says where it lies. The partition is read whole, the files are merged into it, only the
sectors that changed are written, and what was written is compared. An erased partition is formatted. A
run that finds a journal (see hil/provision/partition.py) goes on from that, with what the firmware may have written
since.
"""

from __future__ import annotations

from collections.abc import Mapping

from hil.provision import Applied, ProvisionError, Setting
from hil.provision.partition import SECTOR, PartitionAccess, changed, runs
from hil.wire import partitions, spiffs


class Spiffs:
    """Puts files into one board's SPIFFS; keys are their names.

    `geometry`: the settings of the firmware's build. `partition`: the label, if it is not the usual one. `format`: make
    a partition that holds something else than SPIFFS an empty one first.
    """

    name = "spiffs"
    in_flash = True

    def __init__(
        self,
        access: PartitionAccess,
        *,
        geometry: spiffs.Geometry | None = None,
        partition: str | None = None,
        format: bool = False,
    ) -> None:
        self._access = access
        self._geometry = geometry or spiffs.Geometry()
        self._label = partition
        self._format = format

    def apply(self, values: Mapping[str, Setting]) -> Applied:
        """See `hil.provision.Method`."""
        changes = {name: self._content(name, setting) for name, setting in values.items()}
        access = self._access
        place = access.find("spiffs", [(partitions.TYPE_DATA, partitions.DATA_SPIFFS)], self._label, "spiffs")
        flash = access.read(place)
        ground, recovered = flash, False
        before = access.before(place)
        try:
            if before is not None and before != flash:
                ground, recovered = spiffs.overlay(before, flash, self._geometry), True
            wanted = spiffs.merge(ground, changes, self._geometry, format=self._format)
            problems = () if spiffs.is_blank(flash) else spiffs.parse(flash, self._geometry).problems
        except spiffs.SpiffsError as error:
            raise ProvisionError(f"board {access.board}, partition {place.label!r}: {error}") from None
        sectors = access.write(place, ground, runs(wanted, changed(flash, wanted)))
        return Applied(sectors, sectors * SECTOR, place.size, recovered, problems)

    def _content(self, name: str, setting: Setting) -> bytes | None:
        """What a file is to hold; None if it is to go."""
        board = self._access.board
        try:
            self._geometry.check_name(name)
        except spiffs.SpiffsError as error:
            raise ProvisionError(f"board {board}: {error}") from None
        if setting is None:
            return None
        kind, text = setting
        if kind not in ("string", "blob"):
            raise ProvisionError(
                f"board {board}, setting {name!r}: a file holds text, not {kind}; write it as a string, or keep it "
                "in NVS"
            )
        return text.encode("utf-8", "surrogateescape")
