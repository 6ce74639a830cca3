"""What passed once and fails now: since which run and which firmware.

Two kinds. **broken**: it fails now, and has in every run since the last good one. How probable so many failures in a
row are where nothing has changed depends on how often it fails anyway: that is learnt from what became of it before,
and of all other scenarios and boards (`hil.evidence.learnt`). **worse**: it fails now and then, more often since a
firmware than before, by Fisher's exact test; of the firmware changes in the window the clearest counts, and how many
there were is paid for.

Hundreds of scenarios and boards are asked at once, each night anew. So both chances are adjusted for all that were
asked, those that pass among them (Benjamini and Hochberg): of those of a kind that are called sure at most one in
twenty is false.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from hil.evidence import adjusted, fisher_more, learnt
from hil.history.digest import Entry
from hil.history.outcomes import FAILED, JUDGED
from hil.history.window import Board, Run, Window
from hil.natural_order import Key, natural

SURE: Final = 0.05
"""The part of what is called sure that may be false."""


@dataclass(frozen=True, slots=True)
class Regression:
    """`since`: the first run that failed, with `firmware`; `good`: the last one before that did not, with its firmware.

    `good` None: within the window there is none. `failed` of `tries` since then, `failed_before` of `tries_before`.
    `chance`: adjusted for all that were asked; 1 where there is no good one.
    """

    kind: Literal["broken", "worse"]
    board: Board
    scenario: str
    since: Run
    firmware: str
    good: Run | None
    good_firmware: str
    failed: int
    tries: int
    failed_before: int
    tries_before: int
    chance: float
    quarantined: bool

    @property
    def new_firmware(self) -> bool:
        """Whether it began with another firmware than the last good run had."""
        return self.good is not None and self.firmware != self.good_firmware

    @property
    def sure(self) -> bool:
        """Whether it is more than what happened before as well."""
        return self.good is not None and self.chance <= SURE


def regressions(window: Window) -> list[Regression]:
    """All there are: what is sure first, then by how new it is."""
    cells = [_Cell(board, scenario, entries) for board, scenario, entries in window.named()]
    cells = [cell for cell in cells if cell.judged]
    found = [*_broken(window, cells), *_worse(window, cells)]
    return sorted(found, key=_place)


def _place(one: Regression) -> tuple[bool, bool, int, Key, Key]:
    board, scenario = natural(one.board.name), natural(one.scenario)
    return not one.sure, one.good is None, -one.since.order, board, scenario


class _Cell:
    """A scenario on a board. `judged`: its entries that say something; `streak`: how many of the newest are FAIL."""

    def __init__(self, board: Board, scenario: str, entries: Sequence[Entry]) -> None:
        self.board = board
        self.scenario = scenario
        self.judged = [entry for entry in entries if entry.outcome in JUDGED]
        self.bad = [entry.outcome in FAILED for entry in self.judged]
        newest_first = enumerate(reversed(self.judged))
        self.streak = next((n for n, entry in newest_first if entry.outcome != "FAIL"), len(self.judged))

    @property
    def first(self) -> int:
        """The index of the first of the streak."""
        return len(self.judged) - self.streak

    @property
    def before(self) -> tuple[int, int] | None:
        """How many failed of those before the last good one; None where there is none.

        The streak ends at that one, looking back; so what lies beyond has nothing to do with how long it is.
        """
        return (sum(self.bad[: self.first - 1]), self.first - 1) if self.first else None


def _broken(window: Window, cells: Sequence[_Cell]) -> Iterator[Regression]:
    rates = learnt(cell.before for cell in cells if cell.before is not None)
    chances = [
        rates.again(*cell.before, cell.streak) if cell.streak and cell.before is not None else 1.0 for cell in cells
    ]
    for cell, chance in zip(cells, adjusted(chances), strict=True):
        if cell.streak:
            yield _made(window, "broken", cell, cell.first, chance)


def _worse(window: Window, cells: Sequence[_Cell]) -> Iterator[Regression]:
    asked = [cell for cell in cells if len({entry.firmware for entry in cell.judged}) > 1]
    clearest = [_clearest(cell) for cell in asked]
    for cell, (first, _), chance in zip(asked, clearest, adjusted([p for _, p in clearest]), strict=True):
        if chance <= SURE:
            yield _made(window, "worse", cell, first, chance)


def _clearest(cell: _Cell) -> tuple[int, float]:
    """Where the clearest of its firmware changes is, with its p; what is broken now is no question of this kind."""
    if cell.streak or not any(cell.bad):
        return 0, 1.0
    bad = cell.bad
    bounds = [n for n, (a, b) in enumerate(pairwise(cell.judged), 1) if a.firmware != b.firmware]
    chances = {n: fisher_more(sum(bad[n:]), len(bad) - n, sum(bad[:n]), n) for n in bounds}
    best = min(chances, key=chances.__getitem__)
    return best, min(1.0, chances[best] * len(bounds))


def _made(window: Window, kind: Literal["broken", "worse"], cell: _Cell, first: int, chance: float) -> Regression:
    judged, bad = cell.judged, cell.bad
    good = next((entry for entry in reversed(judged[:first]) if entry.outcome != "FAIL"), None)
    since = judged[first]
    return Regression(
        kind=kind,
        board=cell.board,
        scenario=cell.scenario,
        since=window.runs[since.run],
        firmware=window.firmware_name(since.firmware),
        good=window.runs[good.run] if good is not None else None,
        good_firmware=window.firmware_name(good.firmware) if good is not None else "",
        failed=sum(bad[first:]),
        tries=len(judged) - first,
        failed_before=sum(bad[:first]),
        tries_before=first,
        chance=chance,
        quarantined=judged[-1].quarantined,
    )
