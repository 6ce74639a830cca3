"""Keeps the run that goes on now, in the one process that sees the reports of all its tests.

Each result is committed as its test ends, so that a kill loses at most the test that was running. The history never
stands in the way of a run: when it cannot be written, that is said once, at the end, and the run's folder can be
brought in later with `hil history add`.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil import run_folder
from hil.history import place
from hil.history.cells import Cells
from hil.history.place import Place, PlaceError
from hil.rig import Rig

if TYPE_CHECKING:
    from hil.history.database import History
    from hil.history.keep import Keeper


class Live:
    """`rig`: what of; `option`: where to, if --history says it. Raises nothing; see `end`.

    `whole`: the folder of a run that this one is a part of: in the history they are one, with what it says of a test
    that another part has run already.
    """

    def __init__(self, rig: Rig, option: str | None, whole: Path | None = None) -> None:
        self._rig = rig
        self._whole = whole
        self._cells = Cells()
        self._began = time.time()
        self._history: History | None = None
        self._keeper: Keeper | None = None
        self._folder: Path | None = None
        self._trouble: str | None = None
        self._place: Place | None = None
        try:
            self._place = place.of_rig(rig, option)
        except PlaceError as error:
            self._trouble = str(error)

    def take(self, line: Mapping[str, Any], folder: Path) -> None:
        """A phase of a test, as in results.jsonl, of the run in `folder`."""
        if self._trouble is not None or self._place is None:
            return
        self._folder = self._folder or folder
        try:
            if self._keeper is None:
                self._recall(folder)
                self._keeper = self._open(self._place, self._whole or folder, line)
            cell = self._cells.take(line)
            self._keeper.keep([cell])
        except (ImportError, OSError, KeyError, TypeError, ValueError) as error:  # a HistoryError is a ValueError
            self._trouble = str(error)

    def _recall(self, folder: Path) -> None:
        """What other parts of the same run have found, so that a cell is written with all of its tests."""
        if self._whole is not None:
            from hil.history.adding import RESULTS, lines

            for part in run_folder.parts_of(self._whole):
                if part.resolve() != folder.resolve() and (part / RESULTS).exists():
                    for _, line in lines(part / RESULTS):
                        self._cells.take(line)

    def _open(self, where: Place, folder: Path, line: Mapping[str, Any]) -> Keeper:
        # SQLAlchemy takes its time: where the history is off, nobody waits for it.
        from hil.history.database import open_history
        from hil.history.keep import BoardFacts, Keeper, RunFacts, key_of, program

        self._history = open_history(where)
        run = RunFacts(
            key=key_of(folder, new=self._whole is None),
            rig=self._rig.name,
            host=platform.node(),
            began=min(self._began, float(line["wall"]) - float(line["seconds"])),
            artifacts=str(folder.resolve()),
            program=program(),
            broker=str(line.get("broker") or ""),
        )
        boards = {name: BoardFacts(board.config.chip, board.config.mac) for name, board in self._rig.boards.items()}
        return Keeper(self._history, run, boards)

    def _explain(self, keeper: Keeper) -> None:
        """Keep why tests failed, too: the timeline is whole now. For parts of a run that is done once, at its end."""
        if self._whole is None and self._folder is not None and not self._cells.all_good:
            from hil.history.causes import causes

            keeper.keep(self._cells.explain(causes(self._folder)))

    def end(self) -> list[str]:
        """The run is over. Returns a line that says where it was kept, or why not, with the cure; none if it is off."""
        try:
            if self._keeper is not None and self._trouble is None:
                self._explain(self._keeper)
                self._keeper.end(time.time())
        except ValueError as error:
            self._trouble = str(error)
        if self._history is not None:
            self._history.close()
        if self._trouble is not None:
            again = (
                f"; when that is mended: hil history add {self._whole or self._folder}"
                if self._folder is not None
                else ""
            )
            return [f"history: not kept: {self._trouble}{again}"]
        return [f"history: {self._place.shown}"] if self._place is not None else []
