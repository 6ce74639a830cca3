"""The newest runs of the history, read at once: what most questions are asked of.

A window holds the last N runs of each rig, so that a rig that runs all day does not push out one that runs at night.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Subquery, func, select

from hil.history import digest, schema
from hil.history.digest import Entry

LAST: Final = 50
"""Runs of each rig that are looked at, where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Run:
    """`order`: its place among the runs of a window, 0 the oldest. Times in seconds since 1970."""

    id: int
    order: int
    key: str
    rig: str
    host: str
    began: float
    ended: float | None
    artifacts: str
    broker: str
    program: str

    @property
    def name(self) -> str:
        """When it began, by this host's clock: 2026-11-27 02:00."""
        return datetime.datetime.fromtimestamp(self.began).strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True, slots=True)
class Board:
    """A board of a rig; those of two rigs may have the same name. `chip` is '' where nobody said."""

    id: int
    rig: str
    name: str
    chip: str


@dataclass(frozen=True, slots=True)
class Firmware:
    """What a board ran. `hash`: of its images, SHA-256. `first_seen`: seconds since 1970."""

    id: int
    contract: str
    hash: str
    version: str | None
    revision: str | None
    first_seen: float

    @property
    def name(self) -> str:
        """For people: 1.4.2 (595c7ddd)."""
        told = " ".join(word for word in (self.version, self.revision and self.revision[:12]) if word)
        return f"{told} ({self.hash[:8]})" if told else self.hash[:12]


@dataclass(frozen=True)
class Window:
    """`runs`, the entries of each cell, by board and scenario, and what was `measured` are oldest first."""

    runs: Sequence[Run]
    boards: Mapping[int, Board]
    scenarios: Mapping[int, str]
    firmware: Mapping[int, Firmware]
    cells: Mapping[tuple[int, int], Sequence[Entry]]
    measured: Mapping[tuple[int, int, str], tuple[Sequence[int], Sequence[float], str]] = field(default_factory=dict)
    """By board, scenario and name: the runs' orders, the values, the unit."""

    @property
    def words(self) -> str:
        """How many runs, and from when to when; there has to be one."""
        first, last = self.runs[0].name, self.runs[-1].name
        return f"{len(self.runs)} runs, {first} to {last}" if len(self.runs) > 1 else f"1 run, {last}"

    def newest(self) -> list[Run]:
        """The newest run of each rig, by the rigs' names."""
        by_rig = {run.rig: run for run in self.runs}
        return [by_rig[rig] for rig in sorted(by_rig)]

    def named(self) -> Iterator[tuple[Board, str, Sequence[Entry]]]:
        """Each cell with its board and its scenario's title."""
        for (board, scenario), entries in self.cells.items():
            yield self.boards[board], self.scenarios[scenario], entries

    def firmware_name(self, number: int | None) -> str:
        """For people; '?' where it is not known."""
        return "?" if number is None else self.firmware[number].name


def window(connection: Connection, *, last: int = LAST, rig: str | None = None, board: str | None = None) -> Window:
    """The last so many runs of each rig, of one rig, or of one board's results in them."""
    runs = newest(connection, last=last, rig=rig)
    orders = {run.id: run.order for run in runs}
    found = all_boards(connection)
    only = None if board is None else [b.id for b in found.values() if b.name == board]
    cells, measured = digest.unpacked(digest.read(connection, orders, only, recent(last, rig)))
    titles = {row.id: row.title for row in connection.execute(select(schema.scenarios))}
    return Window(runs, found, titles, all_firmware(connection), cells, measured)


def newest(connection: Connection, *, last: int = LAST, rig: str | None = None) -> list[Run]:
    """The last so many runs of each rig, or of one, oldest first."""
    chosen = recent(last, rig)
    table = schema.runs.c
    asked = select(schema.runs).join(chosen, table.id == chosen.c.id).order_by(table.began, table.id)
    return [_run(row, order) for order, row in enumerate(connection.execute(asked))]


def run_of(connection: Connection, key: str) -> Run | None:
    """The run with this key, in no order among others; None where there is none."""
    row = connection.execute(select(schema.runs).where(schema.runs.c.key == key)).one_or_none()
    return None if row is None else _run(row, 0)


def _run(row: Any, order: int) -> Run:
    return Run(row.id, order, row.key, row.rig, row.host, row.began, row.ended, row.artifacts, row.broker, row.program)


def recent(last: int, rig: str | None) -> Subquery:
    """The ids of the last so many runs of each rig, or of one."""
    table = schema.runs.c
    place = func.row_number().over(partition_by=table.rig, order_by=(table.began.desc(), table.id.desc()))
    ranked = select(table.id, place.label("place"))
    if rig is not None:
        ranked = ranked.where(table.rig == rig)
    inner = ranked.subquery()
    return select(inner.c.id).where(inner.c.place <= last).subquery()


def all_boards(connection: Connection) -> dict[int, Board]:
    """Every board that the history knows, by id."""
    rows = connection.execute(select(schema.boards))
    return {row.id: Board(row.id, row.rig, row.name, row.chip) for row in rows}


def all_firmware(connection: Connection) -> dict[int, Firmware]:
    """Every firmware that the history knows, by id."""
    rows = connection.execute(select(schema.firmware))
    return {row.id: Firmware(row.id, row.contract, row.hash, row.version, row.revision, row.first_seen) for row in rows}
