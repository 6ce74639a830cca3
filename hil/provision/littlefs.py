"""Provisioning through files in a LittleFS partition, as esp_littlefs and Arduino's LittleFS use it.

The file system is changed by littlefs's own library, in memory (`littlefs_merge`) and in a process of its own
(`littlefs_apart`). Data goes into flash first, metadata last. Whenever power fails, the board has either the files of
before or the new ones, and `LittleFS.begin(true)` finds nothing that it would format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hil.provision import Applied, ProvisionError, Setting
from hil.provision import littlefs_apart as apart
from hil.provision.littlefs_merge import Geometry, Unusable, Wanted
from hil.provision.partition import SECTOR, PartitionAccess, changed, runs
from hil.wire import partitions

__all__ = ["Geometry", "Littlefs"]

_TYPES = [(partitions.TYPE_DATA, partitions.DATA_LITTLEFS), (partitions.TYPE_DATA, partitions.DATA_SPIFFS)]


class Littlefs:
    """Puts files into one board's LittleFS. `partition`: its label; without one, that called spiffs, or the first.

    `format`: whether a partition that holds something else is formatted; an erased one always is.
    `settle`: what changes the file system, as `hil.provision.littlefs_merge.settle`.
    """

    name = "littlefs"
    in_flash = True

    def __init__(
        self,
        access: PartitionAccess,
        *,
        partition: str | None = None,
        geometry: Geometry | None = None,
        format: bool = False,
        settle: Callable[..., Wanted] = apart.settle,
    ) -> None:
        self._access = access
        self._label = partition
        self._geometry = geometry or Geometry()
        self._format = format
        self._settle = settle

    def apply(self, values: Mapping[str, Setting]) -> Applied:
        """See `hil.provision.Method`. A key is the path of a file; the directories above it are made."""
        board, access = self._access.board, self._access
        changes = {self._path(key): self._data(key, setting) for key, setting in values.items()}
        place = access.find("littlefs", _TYPES, self._label, "spiffs")
        flash = access.read(place)
        before = access.before(place)
        recovered = before is not None and before != flash
        try:
            wanted = self._settle(flash, before, changes, self._geometry, format=self._format)
        except Unusable as error:
            raise ProvisionError(f"board {board}, partition {place.label!r}: {error}") from None
        ground = before if before is not None and wanted.from_before else flash
        sectors = access.write(place, ground, _in_order(flash, wanted))
        return Applied(sectors, sectors * SECTOR, place.size, recovered)

    def _path(self, key: str) -> str:
        parts = key.split("/")[1:]
        longest = self._geometry.name_max
        if not key.startswith("/") or not all(parts) or {".", ".."} & set(parts):
            raise ProvisionError(
                f'board {self._access.board}, setting {key!r}: no path of a file, such as "/certs/ca.pem"'
            )
        for part in parts:
            if len(part.encode()) > longest:
                raise ProvisionError(
                    f"board {self._access.board}, setting {key!r}: the name {part!r} has {len(part.encode())} bytes, "
                    f"expected at most {longest} (name_max)"
                )
        return key

    def _data(self, key: str, setting: Setting) -> bytes | None:
        if setting is None:
            return None
        kind, text = setting
        if kind not in ("string", "blob"):
            raise ProvisionError(
                f"board {self._access.board}, setting {key!r}: a file has no {kind}, only string and blob"
            )
        return text.encode()


def _in_order(before: bytes, wanted: Wanted) -> list[tuple[int, bytes]]:
    """The sectors that differ, as (start, data) of neighbours: contents first, what refers to them last."""
    sectors = changed(before, wanted.image)
    ranks = {block: rank for rank, block in enumerate(wanted.last, 1)}
    groups: dict[int, list[int]] = {}
    for sector in sectors:
        groups.setdefault(ranks.get(sector * SECTOR // wanted.block_size, 0), []).append(sector)
    return [run for rank in sorted(groups) for run in runs(wanted.image, groups[rank])]
