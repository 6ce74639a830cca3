"""What a failure counts for, by the quarantine list; asked where the test ran, at the first failure of a process."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from hil.history import place
from hil.rig import Rig

if TYPE_CHECKING:
    from hil.history.quarantine import Entry


class Quarantine:
    """The list as it was at the first failure. A history that cannot be read has none: then failures are failures."""

    def __init__(self, rig: Rig, option: str | None) -> None:
        self._rig = rig
        self._option = option
        self._entries: list[Entry] | None = None

    def ruling(self, scenario: str, board: str) -> tuple[bool, str] | None:
        """Whether the failure may be let pass, and what to say of it; None where no entry is meant for it."""
        if self._entries is None:
            self._entries = self._read()
        if not self._entries:
            return None
        from hil.history.quarantine import ruling

        today = datetime.date.today()
        found = ruling(self._entries, scenario, board, today)
        return None if found is None else (found.holds(today), found.words(today))

    def _read(self) -> list[Entry]:
        try:
            where = place.of_rig(self._rig, self._option)
            if where is None or (where.file is not None and not where.file.exists()):
                return []
            from hil.history.database import open_history
            from hil.history.quarantine import entries

            with open_history(where, create=False) as history, history.reading() as connection:
                return entries(connection)
        except (ImportError, OSError, ValueError):
            return []  # the process that keeps the results says at the end what is wrong with the history
