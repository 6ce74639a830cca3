"""One partition of a board's flash, as a method uses it: found in the board's own table, read, written, compared.

Flashing tools erase a sector before they write it, so a power failure in between loses what the sector held: Wi-Fi keys
and counters that nobody else has. Therefore the partition as it was lies in a journal on this host from before the
first write until after the comparison. A run that finds a journal starts from that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from hil.provision import ProvisionError
from hil.provision.journal import Journal
from hil.wire import partitions
from hil.wire.ciphertext import looks_encrypted

SECTOR = partitions.SECTOR
#: Bytes that take longer to read, at 460,800 bit/s, than a tool takes to start and to ask for a digest, or for others.
_WORTH_A_START = 0x10000
#: Bytes from the partition table on in which ESP-IDF's and Arduino's own tables have NVS: 0x9000 to 0xF000 at most.
_NEAR = 0x7000


class FlashAccess(Protocol):
    """What a flasher does for a method. Offsets and sizes in bytes, multiples of 4096 when writing."""

    def read(self, offset: int, size: int) -> bytes:
        """The bytes that lie in flash."""
        ...

    def write(self, offset: int, data: bytes) -> bool | None:
        """Erase the sectors under `data` and write it. True if the chip was asked whether it holds that now."""
        ...


class PartitionAccess:
    """The partitions of one board.

    `journal`: a directory of this host for the time of a write, kept between runs; it holds secrets, and gets mode
    0700. `identity`: what tells this piece of hardware from another that bears the same board name (its MAC address): a
    journal of another one is not used. `table_offset`: where the partition table lies, for firmware built with another
    CONFIG_PARTITION_TABLE_OFFSET. `hindrance` asks the chip why its flash cannot be changed from outside, and `holds`
    whether the flash has these bytes at an offset, see `hil.flash.Flasher`: with it, a large partition is read once,
    and from then on only if it has changed.
    """

    def __init__(
        self,
        flash: FlashAccess,
        board: str,
        journal: Path,
        *,
        identity: str = "",
        table_offset: int = partitions.TABLE_OFFSET,
        hindrance: Callable[[], str | None] = lambda: None,
        holds: Callable[[int, bytes], bool] | None = None,
    ) -> None:
        self.flash = flash
        self.board = board
        self._table_offset = table_offset
        self._hindrance = hindrance
        self._holds = holds
        self._known: dict[int, bytes] = {}  # what large partitions held last, by their offsets
        self._near = b""  # what was read with the table, from its own offset on, and not used yet
        self._journal = Journal(journal, board, identity)

    def table(self, *, near: bool = False) -> partitions.Table:
        """The board's own partition table. Raises ProvisionError if there is none, or flash encryption is on.

        `near`: what is wanted usually lies right behind it, and is read with it: that is quicker than to start a tool
        again.
        """
        hindrance = self._hindrance()
        if hindrance is not None:
            raise ProvisionError(f"board {self.board}: {hindrance}; nothing was written")
        self._near = self.flash.read(self._table_offset, _NEAR if near else partitions.TABLE_SIZE)
        data = self._near[: partitions.TABLE_SIZE]
        try:
            return partitions.parse(data)
        except partitions.BadTable as error:
            where = f"(read at {self._table_offset:#x})"
            if error.flaw is partitions.TableFlaw.MAGIC and looks_encrypted(data):
                raise ProvisionError(
                    f"board {self.board}: its partition table looks encrypted {where}: flash encryption is on, and "
                    "nothing can be provisioned from outside; use a board without it"
                ) from None
            raise ProvisionError(f"board {self.board}: {error} {where}; flash the firmware first") from None

    def find(
        self,
        kind: str,
        types: Collection[tuple[int, int]],
        label: str | None,
        usual: str,
        *,
        table: partitions.Table | None = None,
    ) -> partitions.Partition:
        """The partition of one of these (type, subtype) with `label`; without one, that called `usual`, or the first.

        `kind` is what errors call it ('nvs'); `table`: the board's, where it has been read. Raises ProvisionError if
        the board's table does not say.
        """
        table = self.table() if table is None else table
        found = [p for p in table if (p.type, p.subtype) in types]
        for candidate in found:
            if candidate.label == (label or usual):
                return candidate
        if found and label is None:
            return found[0]
        labels = ", ".join(repr(p.label) for p in (found or table))
        asked = f"{kind} partition {label!r}" if label else f"{kind} partition"
        what = f"{kind} partitions" if found else "partitions"
        raise ProvisionError(
            f"board {self.board}: its partition table has no {asked}, its {what} are {labels}; flash firmware with "
            "such a partition, or name another in the contract"
        )

    def read(self, place: partitions.Partition) -> bytes:
        """All that the partition holds. Raises ProvisionError if fewer bytes come."""
        start, near = place.offset - self._table_offset, self._near
        self._near = b""  # once: the next reading must see what was written, or what the firmware has made of it
        if 0 <= start <= len(near) - place.size:
            return near[start : start + place.size]
        known = self._known.pop(place.offset, None)
        fits = known is not None and len(known) == place.size
        if known is not None and fits and self._holds is not None and self._holds(place.offset, known):
            self._remember(place, known)
            return known
        data = self.flash.read(place.offset, place.size)
        if len(data) != place.size:
            raise ProvisionError(
                f"board {self.board}: {len(data)} bytes read of partition {place.label!r}, expected {place.size}; "
                "check cable and baud rate"
            )
        self._remember(place, data)
        return data

    def _remember(self, place: partitions.Partition, data: bytes) -> None:
        if self._holds is not None and place.size >= _WORTH_A_START:
            self._known[place.offset] = data

    def before(self, place: partitions.Partition) -> bytes | None:
        """What the partition held before a write that was cut off, else None."""
        return self._journal.read(place.offset, place.size)

    def write(
        self,
        place: partitions.Partition,
        ground: bytes,
        runs: Iterable[tuple[int, bytes]],
    ) -> int:
        """Write `runs` (start in the partition, whole sectors) in their order, compare, and close the journal.

        What the flash has compared as it was written is not read back.
        `ground` is what a power failure must not take away: it lies in the journal meanwhile. Returns the number of
        sectors. Raises ProvisionError if the flash reads back otherwise.
        """
        runs = list(runs)
        known = self._known.pop(place.offset, None)
        if runs:
            self._journal.write(ground, place.offset)
        unseen = [(start, data) for start, data in runs if not self.flash.write(place.offset + start, data)]
        for start, data, found in self._read_back(place, unseen):
            if found != data:
                at = next((i for i, (a, b) in enumerate(zip(found, data, strict=False)) if a != b), len(found))
                raise ProvisionError(
                    f"board {self.board}: flash at {place.offset + start + at:#x} reads back other than it "
                    "was written; try again, then suspect the supply or a worn flash"
                )
        self._journal.close(place.offset)
        if known is not None:
            self._remember(place, _overwritten(known, runs))
        return sum(len(data) for _, data in runs) // SECTOR

    def _read_back(
        self, place: partitions.Partition, runs: Iterable[tuple[int, bytes]]
    ) -> Iterator[tuple[int, bytes, bytes]]:
        """Each of `runs` with what lies there now; those not far apart are read together, with what is between."""
        spans: list[list[tuple[int, bytes]]] = []
        end = 0
        for run in sorted(runs):
            if not spans or run[0] - end >= _WORTH_A_START:
                spans.append([])
            spans[-1].append(run)
            end = run[0] + len(run[1])
        for span in spans:
            first, end = span[0][0], span[-1][0] + len(span[-1][1])
            found = self.flash.read(place.offset + first, end - first)
            yield from ((start, data, found[start - first :][: len(data)]) for start, data in span)


def runs(data: bytes, sectors: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """`data` at these sectors, in ascending order, neighbours joined: (start in bytes, bytes)."""
    run: list[int] = []
    for sector in sorted(sectors):
        if run and sector != run[-1] + 1:
            yield _cut(data, run)
            run = []
        run.append(sector)
    if run:
        yield _cut(data, run)


def changed(before: bytes, after: bytes) -> list[int]:
    """The numbers of the sectors that differ between two states of a partition of the same size."""
    starts = range(0, len(after), SECTOR)
    return [start // SECTOR for start in starts if before[start : start + SECTOR] != after[start : start + SECTOR]]


def _overwritten(data: bytes, runs: Iterable[tuple[int, bytes]]) -> bytes:
    out = bytearray(data)
    for start, new in runs:
        out[start : start + len(new)] = new
    return bytes(out)


def _cut(data: bytes, run: list[int]) -> tuple[int, bytes]:
    return run[0] * SECTOR, data[run[0] * SECTOR : (run[-1] + 1) * SECTOR]
