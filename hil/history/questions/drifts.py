"""Measurements that have moved: by a slow drift, or by a step at some run.

Each series is one measurement of one board in one scenario, over the runs of the window; `duration` is the scenario's
own, where it passed. All are asked `hil.evidence.change`, which allows for what neighbouring runs have in common; how
many were asked is paid for (Benjamini and Hochberg), and what has moved by less than a part of `LEAST` is left out:
with enough runs everything has moved a little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.evidence import Change, adjusted, change, mann_kendall
from hil.history.outcomes import GOOD
from hil.history.window import Board, Run, Window

SURE: Final = 0.05
LEAST: Final = 0.05
"""The part of the old level by which something has to have moved."""

BETTER_HIGH: Final = ("heap_least", "flash_rate")
"""Measurements of which more is better; of all others less is."""

OF_THE_BOARD: Final = ("flash_time", "flash_rate", "provision_time")
"""Measurements that belong to no scenario: they are taken with whichever comes first in a run."""

_ANY: Final = 0
"""In place of a scenario's id; those begin with 1."""

Series = Mapping[tuple[int, int, str], tuple[Sequence[int], Sequence[float], str]]
"""By board, scenario and name: the runs' orders, the values, the unit."""


@dataclass(frozen=True, slots=True)
class Drift:
    """`change` says what moved and how clearly; its `p` is adjusted. `since`: the run at which a step came, with the
    firmware that the board had from then on, and `firmware_before`. `values` are those of the window, oldest first.
    `scenario` is empty for what belongs to the board."""

    board: Board
    scenario: str
    name: str
    unit: str
    change: Change
    chance: float
    since: Run
    firmware: str
    firmware_before: str
    values: Sequence[float]

    @property
    def worse(self) -> bool:
        """Whether it has moved to the bad side."""
        return (self.change.ratio > 0) != (self.name in BETTER_HIGH)


def drifts(window: Window) -> list[Drift]:
    """All series that have moved beyond doubt, the largest first."""
    return judge(window, series(window))


def series(window: Window) -> Series:
    """The series of the window, of its measurements and of the durations of what passed."""
    joined: dict[tuple[int, str], list[tuple[int, float]]] = {}
    found: dict[tuple[int, int, str], tuple[Sequence[int], Sequence[float], str]] = {}
    for (board, scenario, name), column in window.measured.items():
        if name not in OF_THE_BOARD:
            found[board, scenario, name] = column
            continue
        orders, values, unit = column
        joined.setdefault((board, name), []).extend(zip(orders, values, strict=True))
        found[board, _ANY, name] = (), (), unit
    for (board, name), points in joined.items():
        points.sort()
        found[board, _ANY, name] = [n for n, _ in points], [value for _, value in points], found[board, _ANY, name][2]
    for (board, scenario), entries in window.cells.items():
        passed = [(entry.run, entry.seconds) for entry in entries if entry.outcome in GOOD]
        if passed:
            orders, seconds = zip(*passed, strict=True)
            found[board, scenario, "duration"] = orders, seconds, "s"
    return found


def judge(window: Window, series: Series) -> list[Drift]:
    """Those of the series that have moved beyond doubt.

    What neighbours have in common makes a p larger, never smaller. So what is not clear without it, among so many, is
    not looked at any closer: it could not become clear, and what is clear is so whatever became of the others.
    """
    keys = list(series)
    chances = [mann_kendall(values) for _, values, _ in series.values()]
    changes: dict[int, Change] = {}
    for index, rate in enumerate(adjusted(chances)):
        if rate <= SURE and (closer := change(series[keys[index]][1])) is not None:
            changes[index], chances[index] = closer, closer.p
    rates = adjusted(chances)
    found = [
        _drift(window, keys[index], series[keys[index]], moved, rates[index])
        for index, moved in changes.items()
        if rates[index] <= SURE and abs(moved.ratio) >= LEAST
    ]
    return sorted(found, key=lambda one: (not one.worse, -abs(one.change.ratio)))


def _drift(
    window: Window,
    key: tuple[int, int, str],
    series: tuple[Sequence[int], Sequence[float], str],
    moved: Change,
    chance: float,
) -> Drift:
    (board, scenario, name), (orders, values, unit) = key, series
    entries = window.cells.get((board, scenario)) or [e for (b, _), c in window.cells.items() if b == board for e in c]
    ran = {entry.run: entry.firmware for entry in entries}
    at = orders[moved.at]
    return Drift(
        board=window.boards[board],
        scenario=window.scenarios.get(scenario, ""),
        name=name,
        unit=unit,
        change=moved,
        chance=chance,
        since=window.runs[at],
        firmware=window.firmware_name(ran.get(at)),
        firmware_before=window.firmware_name(ran.get(orders[moved.at - 1])),
        values=values,
    )
