"""Provisioning through NVS, where ESP-IDF and Arduino's Preferences keep their settings.

The partition table on the board says where NVS lies. The partition is read whole, the settings are merged into it,
only the sectors that changed are written, and what was written is read back and compared.

Flashing tools erase a sector before they write it, so a power failure in between loses what the sector held: Wi-Fi keys
and counters that nobody else has. Therefore the partition as it was lies in a journal on this host from before the
first write until after the comparison. A run that finds a journal takes that as its ground, lays over it every value
that the board still holds (the firmware may have run since), and goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hil.credentials import redactable
from hil.credentials.identity import leaf, serial_of
from hil.provision import ProvisionError, ProvisionResult, Setting
from hil.provision.journal import Journal
from hil.timeline import Timeline
from hil.wire import nvs, partitions

_SHORTEST_SECRET = 4  # characters; the timeline refuses to blank shorter ones


class FlashAccess(Protocol):
    """What a flasher does for a provisioner. Offsets and sizes in bytes, multiples of 4096 when writing."""

    def read(self, offset: int, size: int) -> bytes:
        """The bytes that lie in flash."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Erase the sectors under `data` and write it."""
        ...


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done: the partition as it is read, as it shall be, and what a power failure must not take away."""

    partition: partitions.Partition
    flash: bytes
    ground: bytes
    wanted: bytes
    recovered: bool
    problems: tuple[str, ...]


class NvsProvisioner:
    """Puts settings into one namespace of one board's NVS.

    `journal`: a directory of this host for the time of a write, kept between runs; it holds secrets, and gets mode
    0700. `partition`: the label, if it is not the usual one. `identity`: what tells this piece of hardware from another
    that bears the same board name (its MAC address): a journal of another one is not used. `table_offset`: where the
    partition table lies, for firmware built with another CONFIG_PARTITION_TABLE_OFFSET.
    """

    method = "nvs"

    def __init__(
        self,
        flash: FlashAccess,
        timeline: Timeline,
        board: str,
        *,
        namespace: str,
        journal: Path,
        partition: str | None = None,
        identity: str = "",
        table_offset: int = partitions.TABLE_OFFSET,
    ) -> None:
        self._flash = flash
        self._timeline = timeline
        self._board = board
        self._namespace = namespace
        self._label = partition
        self._table_offset = table_offset
        self._journal = Journal(journal, board, identity)

    def provision(self, values: Mapping[str, Setting], *, secret: Collection[str] = ()) -> ProvisionResult:
        """See `hil.provision.Provisioner`. What the flasher raises goes through; it is on the timeline first."""
        began = time.monotonic()
        self._hide(values, secret)
        self._timeline.record("provision", "start", self._board, method=self.method)
        try:
            plan = self._plan(values)
            sectors = self._write(plan)
        except BaseException as error:
            reason = str(error) or type(error).__name__
            self._timeline.record("provision", "failed", self._board, method=self.method, reason=reason)
            raise
        subject, serial = _device_certificate(values)
        result = ProvisionResult(
            method=self.method,
            sectors=sectors,
            written=sectors * nvs.PAGE_SIZE,
            capacity=plan.partition.size,
            seconds=time.monotonic() - began,
            subject=subject,
            serial=serial,
            recovered=plan.recovered,
        )
        self._timeline.record(
            "provision",
            "done",
            self._board,
            method=self.method,
            sectors=result.sectors,
            bytes=result.written,
            capacity=result.capacity,
            seconds=round(result.seconds, 3),
            subject=subject,
            serial=serial,
            recovered=result.recovered or None,
            problems=list(plan.problems) or None,
        )
        return result

    # -- the steps -------------------------------------------------------------------------------------------------

    def _plan(self, values: Mapping[str, Setting]) -> _Plan:
        changes = self._changes(values)
        place = self._partition()
        flash = self._flash.read(place.offset, place.size)
        if len(flash) != place.size:
            raise ProvisionError(
                f"board {self._board}: {len(flash)} bytes read of partition {place.label!r}, expected {place.size}; "
                "check cable and baud rate"
            )
        ground, recovered = flash, False
        before = self._journal.read(place.offset, place.size)
        try:
            if before is not None and before != flash:
                ground, recovered = _overlay(before, nvs.parse(flash)), True
            wanted = nvs.merge(ground, self._namespace, changes)
        except nvs.NvsError as error:
            raise ProvisionError(f"board {self._board}, partition {place.label!r}: {error}") from None
        return _Plan(place, flash, ground, wanted, recovered, nvs.parse(flash).problems)

    def _changes(self, values: Mapping[str, Setting]) -> dict[str, nvs.Value | None]:
        changes: dict[str, nvs.Value | None] = {}
        for key, setting in values.items():
            try:
                changes[key] = None if setting is None else nvs.Value.of(*setting)
            except nvs.NvsError as error:
                raise ProvisionError(f"board {self._board}, setting {key!r}: {error}") from None
        return changes

    def _partition(self) -> partitions.Partition:
        """Where NVS lies. Raises ProvisionError if the board's table does not say."""
        try:
            table = partitions.parse(self._flash.read(self._table_offset, partitions.TABLE_SIZE))
        except partitions.BadTable as error:
            raise ProvisionError(
                f"board {self._board}: {error} (read at {self._table_offset:#x}); flash the firmware first"
            ) from None
        found = [p for p in table if (p.type, p.subtype) == (partitions.TYPE_DATA, partitions.DATA_NVS)]
        for candidate in found:
            if candidate.label == (self._label or "nvs"):
                return candidate
        if found and self._label is None:
            return found[0]
        labels = ", ".join(repr(p.label) for p in (found or table))
        asked = f"nvs partition {self._label!r}" if self._label else "nvs partition"
        what = "nvs partitions" if found else "partitions"
        raise ProvisionError(
            f"board {self._board}: its partition table has no {asked}, its {what} are {labels}; flash firmware with "
            "such a partition, or name another in the contract"
        )

    def _write(self, plan: _Plan) -> int:
        """Write what differs, compare, and close the journal. Returns the number of sectors."""
        runs = list(_runs(plan.flash, plan.wanted))
        if runs:
            self._journal.write(plan.ground, plan.partition.offset)
        for start, data in runs:
            self._flash.write(plan.partition.offset + start, data)
        for start, data in runs:
            found = self._flash.read(plan.partition.offset + start, len(data))
            if found != data:
                at = next((i for i, (a, b) in enumerate(zip(found, data, strict=False)) if a != b), len(found))
                raise ProvisionError(
                    f"board {self._board}: flash at {plan.partition.offset + start + at:#x} reads back other than it "
                    "was written; try again, then suspect the supply or a worn flash"
                )
        self._journal.close()
        return sum(len(data) for _, data in runs) // nvs.PAGE_SIZE

    def _hide(self, values: Mapping[str, Setting], secret: Collection[str]) -> None:
        """Have the timeline blank every secret from now on: the console may print it, a tool may quote it."""
        for key, setting in values.items():
            if setting is None:
                continue
            text = setting[1]
            for line in redactable(text):
                self._timeline.redact(line)
            if key in secret and "PRIVATE KEY-----" not in text:
                for line in text.splitlines():
                    if len(line) >= _SHORTEST_SECRET:
                        self._timeline.redact(line)


def _overlay(before: bytes, now: nvs.Nvs) -> bytes:
    """The partition as it was, with every value that the board holds now."""
    ground, then = before, nvs.parse(before)
    for namespace, values in now.namespaces.items():
        newer = {key: value for key, value in values.items() if then.get(namespace, key) != value}
        ground = nvs.merge(ground, namespace, newer)
    return ground


def _runs(before: bytes, after: bytes) -> Iterator[tuple[int, bytes]]:
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
        run: list[int] = []
        for sector in [s for s in changed if rank(s) == wanted]:
            if run and sector != run[-1] + 1:
                yield _cut(after, run)
                run = []
            run.append(sector)
        if run:
            yield _cut(after, run)


def _cut(data: bytes, run: list[int]) -> tuple[int, bytes]:
    start = run[0] * nvs.PAGE_SIZE
    return start, data[start : (run[-1] + 1) * nvs.PAGE_SIZE]


def _device_certificate(values: Mapping[str, Setting]) -> tuple[str | None, str | None]:
    """Subject and serial of the first certificate among the settings that is not an authority's."""
    for setting in values.values():
        found = leaf(setting[1]) if setting is not None else None
        if found is not None:
            return found.subject.rfc4514_string(), serial_of(found)
    return None, None
