"""Boards that fail alone: trouble of a board, its cable or its port, and not of the firmware.

Boards are compared only where they ran the same firmware and the same scenario in the same run. A board fails **alone**
there if it failed and all others passed. A run counts once for each board, however much failed in it: a port that was
loose for one night is one event.

The test is exact. If firmware or chance were to blame, any of the boards would be as likely as the others to be the one
that fails alone. So in each run each board's chance is the part of the boards that failed alone in it; how probable as
many runs as were counted are, with these chances, is added up (`hil.evidence.at_least`), and how many boards were asked
about is paid for (Benjamini and Hochberg). A board that has no other with the same firmware beside it cannot be judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.evidence import adjusted, at_least
from hil.history.digest import Entry
from hil.history.outcomes import BROKEN, JUDGED
from hil.history.window import Board, Run, Window

SURE: Final = 0.05

_RAN: Final = (*JUDGED, "ERROR")
"""A board that keeps its bench from working is in trouble, too."""


@dataclass(frozen=True, slots=True)
class Lonely:
    """In `alone` of the `runs` in which any board failed alone it was this one. `expected`: how many by chance.

    `chance`: the adjusted p. `results`: how many results that were; `last`: the newest of the runs.
    """

    board: Board
    alone: int
    runs: int
    expected: float
    chance: float
    results: int
    last: Run


def lonely(window: Window) -> list[Lonely]:
    """The boards that fail alone more often than chance would have it, the clearest first."""
    odd = _alone(window)
    chances: dict[int, list[float]] = {}
    counted: dict[int, list[tuple[int, int]]] = {}
    for (run, _), (group, failures) in odd.items():
        alone = {board: count for board, count in failures.items() if count}
        for board in group if alone else ():
            chances.setdefault(board, []).append(len(alone) / len(group))
            if board in alone:
                counted.setdefault(board, []).append((run, alone[board]))
    asked = list(chances)
    rates = adjusted([at_least(len(counted.get(board, ())), chances[board]) for board in asked])
    found = [
        Lonely(
            board=window.boards[board],
            alone=len(counted[board]),
            runs=len(chances[board]),
            expected=sum(chances[board]),
            chance=rate,
            results=sum(count for _, count in counted[board]),
            last=window.runs[max(run for run, _ in counted[board])],
        )
        for board, rate in zip(asked, rates, strict=True)
        if rate <= SURE and board in counted
    ]
    return sorted(found, key=lambda one: one.chance)


def _alone(window: Window) -> Mapping[tuple[int, int], tuple[set[int], dict[int, int]]]:
    """For each run and firmware: the boards that ran it, two at least, and how often each of them failed alone."""
    courses: dict[int, list[tuple[int, Sequence[Entry]]]] = {}
    for (board, scenario), entries in window.cells.items():
        courses.setdefault(scenario, []).append((board, entries))
    found: dict[tuple[int, int], tuple[set[int], dict[int, int]]] = {}
    for course in courses.values():
        for about, ran, failed in _situations(course):
            if len(ran) < 2:
                continue
            group, failures = found.setdefault(about, (set(), {}))
            group.update(ran)
            if len(failed) == 1:
                failures[failed[0]] = failures.get(failed[0], 0) + 1
    return found


def _situations(
    course: Iterable[tuple[int, Sequence[Entry]]],
) -> Iterator[tuple[tuple[int, int], list[int], list[int]]]:
    """Of one scenario, for each run and firmware: the boards that were judged, and those of them that failed."""
    found: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for board, entries in course:
        for run, firmware, outcome, _, _ in entries:
            if firmware is not None and outcome in _RAN:
                both = found.get((run, firmware))
                if both is None:
                    both = found[run, firmware] = [], []
                both[0].append(board)
                if outcome in BROKEN:
                    both[1].append(board)
    for about, (ran, failed) in found.items():
        yield about, ran, failed
