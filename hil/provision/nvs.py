"""Provisioning through NVS, where ESP-IDF and Arduino's Preferences keep their settings.

The partition table on the board says where NVS lies. The partition is read whole, the settings are merged into it,
only the sectors that changed are written, and what was written is compared. A run that finds a journal
(see hil/provision/partition.py) lays over it every value that the board still holds, as the firmware may have run
since, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hil.provision import Applied, ProvisionError, Setting
from hil.provision.partition import PartitionAccess, runs
from hil.wire import nvs, partitions


class Nvs:
    """Puts settings into one namespace of one board's NVS. `partition`: the label, if it is not the usual one."""

    name = "nvs"
    in_flash = True

    def __init__(self, access: PartitionAccess, *, namespace: str, partition: str | None = None) -> None:
        self._access = access
        self._namespace = namespace
        self._label = partition

    def apply(self, values: Mapping[str, Setting]) -> Applied:
        """See `hil.provision.Method`."""
        changes = self._changes(values)
        board, access = self._access.board, self._access
        types = [(partitions.TYPE_DATA, partitions.DATA_NVS)]
        place = access.find("nvs", types, self._label, "nvs", table=access.table(near=True))
        flash = access.read(place)
        ground, recovered = flash, False
        before = access.before(place)
        try:
            if before is not None and before != flash:
                ground, recovered = _overlay(before, nvs.parse(flash)), True
            wanted = nvs.merge(ground, self._namespace, changes)
        except nvs.NvsError as error:
            raise ProvisionError(f"board {board}, partition {place.label!r}: {error}") from None
        sectors = access.write(place, ground, _in_order(flash, wanted))
        return Applied(sectors, sectors * nvs.PAGE_SIZE, place.size, recovered, nvs.parse(flash).problems)

    def _changes(self, values: Mapping[str, Setting]) -> dict[str, nvs.Value | None]:
        changes: dict[str, nvs.Value | None] = {}
        for key, setting in values.items():
            try:
                changes[key] = None if setting is None else nvs.Value.of(*setting)
            except nvs.NvsError as error:
                raise ProvisionError(f"board {self._access.board}, setting {key!r}: {error}") from None
        return changes


def _overlay(before: bytes, now: nvs.Nvs) -> bytes:
    """The partition as it was, with every value that the board holds now."""
    ground, then = before, nvs.parse(before)
    for namespace, values in now.namespaces.items():
        newer = {key: value for key, value in values.items() if then.get(namespace, key) != value}
        ground = nvs.merge(ground, namespace, newer)
    return ground


def _in_order(before: bytes, after: bytes) -> Iterator[tuple[int, bytes]]:
    """The sectors that differ, as (start, data) of neighbours: those that gain items first, those erased last.

    So a power failure between two writes leaves an item there twice at worst, which every reader copes with.
    """
    old, new = nvs.parse(before).pages, nvs.parse(after).pages

    def rank(sector: int) -> int:
        if new[sector].state is nvs.PageState.ERASED:
            return 2
        return 0 if old[sector].sequence != new[sector].sequence or new[sector].free < old[sector].free else 1

    changed = nvs.changed_sectors(before, after)
    for wanted in range(3):
        yield from runs(after, (sector for sector in changed if rank(sector) == wanted))
