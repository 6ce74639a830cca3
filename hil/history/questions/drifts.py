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

from sqlalchemy import Connection, select

from hil.evidence import Change, adjusted, change, mann_kendall
from hil.history import schema
from hil.history.window import Board, Run, Window, recent

SURE: Final = 0.05
LEAST: Final = 0.05
"""The part of the old level by which something has to have moved."""

BETTER_HIGH: Final = ("heap_least", "flash_rate")
"""Measurements of which more is better; of all others less is."""

OF_THE_BOARD: Final = ("flash_time", "flash_rate", "provision_time")
"""Measurements that belong to no scenario: they are taken with whichever comes first in a run."""

_DOUBTFUL: Final = 0.1
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


def drifts(connection: Connection, window: Window, *, last: int, rig: str | None = None) -> list[Drift]:
    """All series that have moved beyond doubt, the largest first."""
    return judge(window, read(connection, window, last=last, rig=rig))


def read(connection: Connection, window: Window, *, last: int, rig: str | None = None) -> Series:
    """The series of the window, of the boards in it."""
    orders = {run.id: run.order for run in window.runs}
    boards = {board for board, _ in window.cells}
    table, chosen = schema.measurements.c, recent(last, rig)
    asked = select(table.board_id, table.scenario_id, table.name, table.run_id, table.value, table.unit).join(
        chosen, table.run_id == chosen.c.id
    )
    rows: dict[tuple[int, int, str], list[tuple[int, float]]] = {}
    units: dict[str, str] = {"duration": "s"}
    for board, scenario, name, run, value, unit in connection.execute(asked):
        if board in boards:
            scenario = _ANY if name in OF_THE_BOARD else scenario
            rows.setdefault((board, scenario, name), []).append((orders[run], value))
            units[name] = unit
    for (board, scenario), entries in window.cells.items():
        passed = [(entry.run, entry.seconds) for entry in entries if entry.outcome in ("pass", "WARN")]
        rows[board, scenario, "duration"] = passed
    return {key: (*_columns(sorted(found)), units[key[2]]) for key, found in rows.items() if found}


def judge(window: Window, series: Series) -> list[Drift]:
    """Those of the series that have moved beyond doubt."""
    quick = {key: mann_kendall(values) for key, (_, values, _) in series.items()}
    changes = {key: change(series[key][1], _DOUBTFUL) for key, p in quick.items() if p <= _DOUBTFUL}
    chances = [closer.p if (closer := changes.get(key)) is not None else p for key, p in quick.items()]
    found = [
        _drift(window, key, series[key], moved, rate)
        for key, rate in zip(quick, adjusted(chances), strict=True)
        if rate <= SURE and (moved := changes.get(key)) is not None and abs(moved.ratio) >= LEAST
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


def _columns(rows: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [order for order, _ in rows], [value for _, value in rows]
