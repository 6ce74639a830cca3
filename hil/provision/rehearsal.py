"""What provisioning a board would change, found out without writing anything.

Each method does all that it would do, on a copy: the flash as it is read once, and the journals as they lie. So the
answer is that of the method itself, whatever its format. A method that talks to the running firmware has no copy to
work on, and cannot be rehearsed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from hil.provision import Method, ProvisionError, Setting
from hil.provision.partition import SECTOR, FlashAccess

#: Makes a method that works on this flash, with its journals in this directory.
Making = Callable[[FlashAccess, Path], Method]


@dataclass(frozen=True, slots=True)
class Difference:
    """What one place of a board lacks: the keys that differ, and the sectors and bytes that would be written.

    `interrupted`: an earlier run was cut off, and the next one would go on from its journal. `sectors` may be more than
    0 with no key: what a journal brings back, a partition that is formatted.
    """

    method: str
    keys: tuple[str, ...]
    sectors: int
    written: int
    interrupted: bool

    def __bool__(self) -> bool:
        return self.sectors > 0 or self.interrupted


class Rehearsal:
    """Provisions a copy of one board.

    `places`: the keys of each, its method's name, and what makes the method; None where it needs the firmware.
    `session` keeps the firmware from running meanwhile. `journals`: the directory of the real ones.
    """

    def __init__(
        self,
        board: str,
        flash: FlashAccess,
        session: Callable[[], AbstractContextManager[object]],
        journals: Path,
        places: Sequence[tuple[Collection[str], str, Making | None]],
    ) -> None:
        self._board = board
        self._flash = flash
        self._session = session
        self._journals = journals
        self._places = list(places)

    def compare(self, values: Mapping[str, Setting]) -> list[Difference]:
        """What differs in each place, in their order. Resets the board once, for reading.

        Raises ProvisionError as provisioning itself would, and for a method that cannot be rehearsed.
        """
        makings: list[tuple[Collection[str], Making]] = []
        for keys, name, making in self._places:
            if making is None:
                raise ProvisionError(
                    f"board {self._board}: method {name!r} works through a build or the running firmware, and cannot "
                    "be compared without changing something; provision it without --check"
                )
            makings.append((keys, making))
        with self._session(), tempfile.TemporaryDirectory(prefix="hil-rehearsal-") as folder:
            flash, journals = Copy(self._flash), Path(folder) / "whole"
            if self._journals.is_dir():
                shutil.copytree(self._journals, journals)
            found = []
            for keys, making in makings:
                wanted = {key: value for key, value in values.items() if key in keys}
                found.append(_difference(making, wanted, flash, journals))
            return found


class Copy:
    """A flash that is read from another one, once, and written to in memory alone. See `FlashAccess`."""

    def __init__(self, flash: FlashAccess, sectors: Mapping[int, bytes] | None = None) -> None:
        self._flash = flash
        self._sectors = dict(sectors or {})

    def copy(self) -> Copy:
        """Another one that begins with what this one holds."""
        return Copy(self._flash, self._sectors)

    def read(self, offset: int, size: int) -> bytes:
        """See `FlashAccess`; what was not read before is read in whole sectors."""
        first, behind = offset // SECTOR, -(-(offset + size) // SECTOR)
        missing = [sector for sector in range(first, behind) if sector not in self._sectors]
        if missing:
            start, end = missing[0], missing[-1] + 1
            data = self._flash.read(start * SECTOR, (end - start) * SECTOR)
            for sector in missing:
                self._sectors[sector] = data[(sector - start) * SECTOR : (sector - start + 1) * SECTOR]
        data = b"".join(self._sectors[sector] for sector in range(first, behind))
        return data[offset - first * SECTOR :][:size]

    def write(self, offset: int, data: bytes) -> None:
        """See `FlashAccess`."""
        for start in range(0, len(data), SECTOR):
            self._sectors[(offset + start) // SECTOR] = data[start : start + SECTOR]


def _difference(making: Making, values: Mapping[str, Setting], flash: Copy, journals: Path) -> Difference:
    """Of one place: once with all its settings for the numbers, and setting by setting for the keys."""
    before, apart = flash.copy(), journals.with_name("apart")
    shutil.rmtree(apart, ignore_errors=True)
    if journals.is_dir():
        shutil.copytree(journals, apart)
    method = making(flash, journals)
    whole = method.apply(values)
    one_by_one = making(before, apart)
    one_by_one.apply({})  # formats, or brings back what a journal holds
    keys = tuple(key for key, value in values.items() if _changes(one_by_one, key, value))
    return Difference(method.name, keys, whole.sectors, whole.written, whole.recovered)


def _changes(method: Method, key: str, value: Setting) -> bool:
    """Whether the place holds another value; one that fits only where all the others are written, too, does."""
    try:
        return method.apply({key: value}).sectors > 0
    except ProvisionError:
        return True
