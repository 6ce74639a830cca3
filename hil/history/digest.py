"""What one board came to in one run, packed into a row: what questions about many runs read instead of its results.

The last fifty runs of a lab are twenty thousand results with eighty thousand measurements. As rows of their tables they
take a tenth of a second and more to fetch; as some hundred digests a hundredth. A digest holds nothing of its own: it
is made anew from the tables, in the same transaction, whenever a result of the board in the run is written.

    layout     zlib of JSON, {"scenarios": [id, ...], "measured": [[scenario's id, name, unit], ...]}; from run to run
               it is mostly the same to the byte, and is then taken apart once
    figures    little-endian, without gaps: for each scenario a byte with its verdict, for each the firmware's id in
               four bytes (0: not known), for each its seconds as a double; for each measurement its value as a double
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, text

from hil.history import schema

OUTCOMES: Final = ("", "pass", "WARN", "n/a", "flaky", "FAIL", "ERROR")
"""A verdict's byte is its place here. Kept in databases: new ones are added at the end."""

_QUARANTINED: Final = 0x80
"""Added to a verdict's byte."""

_OUTCOME: Final = [OUTCOMES[byte & 0x7F] if byte & 0x7F < len(OUTCOMES) else "" for byte in range(256)]
_IS_QUARANTINED: Final = [bool(byte & _QUARANTINED) for byte in range(256)]


class Entry(NamedTuple):
    """One result of a cell. `run`: its order in the window. `firmware`: its id."""

    run: int
    firmware: int | None
    outcome: str
    quarantined: bool
    seconds: float


Cells = dict[tuple[int, int], Sequence[Entry]]
"""By board and scenario, oldest first."""

Series = dict[tuple[int, int, str], tuple[Sequence[int], Sequence[float], str]]
"""By board, scenario and name: the runs' orders, the values, the unit; oldest first."""


@dataclass(frozen=True, slots=True)
class Digest:
    """`order`: the run's place among those that are looked at."""

    order: int
    board: int
    layout: bytes
    figures: bytes


def write(connection: Connection, run: int, board: int) -> None:
    """Make the digest of a board in a run anew, from the tables."""
    table = schema.digests
    layout, figures = _packed(connection, run, board)
    connection.execute(delete(table).where(table.c.run_id == run, table.c.board_id == board))
    connection.execute(insert(table).values(run_id=run, board_id=board, layout=layout, figures=figures))


def write_all(connection: Connection) -> None:
    """Make those of all runs: a step of `hil.history.migrations`, for what is there already."""
    cells = connection.execute(text("SELECT DISTINCT run_id, board_id FROM results")).all()
    for run, board in cells:
        layout, figures = _packed(connection, run, board)
        row = {"run_id": run, "board_id": board, "layout": layout, "figures": figures}
        connection.execute(text("INSERT INTO digests VALUES (:run_id, :board_id, :layout, :figures)"), row)


_RESULTS: Final = text(
    "SELECT scenario_id, outcome, quarantined, firmware_id, seconds FROM results "
    "WHERE run_id = :run AND board_id = :board ORDER BY scenario_id"
).bindparams(bindparam("run"), bindparam("board"))
_MEASURED: Final = text(
    "SELECT scenario_id, name, unit, value FROM measurements "
    "WHERE run_id = :run AND board_id = :board ORDER BY scenario_id, name"
).bindparams(bindparam("run"), bindparam("board"))


def _packed(connection: Connection, run: int, board: int) -> tuple[bytes, bytes]:
    about = {"run": run, "board": board}
    results = connection.execute(_RESULTS, about).all()
    measured = connection.execute(_MEASURED, about).all()
    layout = {
        "scenarios": [row.scenario_id for row in results],
        "measured": [[row.scenario_id, row.name, row.unit] for row in measured],
    }
    figures = struct.pack(
        _format(len(results), len(measured)),
        *(OUTCOMES.index(row.outcome) | (_QUARANTINED if row.quarantined else 0) for row in results),
        *(row.firmware_id or 0 for row in results),
        *(row.seconds for row in results),
        *(row.value for row in measured),
    )
    return zlib.compress(json.dumps(layout, separators=(",", ":")).encode()), figures


def _format(results: int, measured: int) -> str:
    return f"<{results}B{results}i{results}d{measured}d"


def read(connection: Connection, orders: dict[int, int], boards: Iterable[int] | None, chosen: Any) -> list[Digest]:
    """Those of the `chosen` runs, a selection of ids, oldest first; of all `boards` if it is None."""
    table = schema.digests.c
    asked = select(table.run_id, table.board_id, table.layout, table.figures)
    asked = asked.join(chosen, table.run_id == chosen.c.id)
    if boards is not None:
        asked = asked.where(table.board_id.in_(list(boards)))
    found = [Digest(orders[run], *rest) for run, *rest in connection.execute(asked)]
    return sorted(found, key=lambda one: (one.order, one.board))


def unpacked(digests: Iterable[Digest]) -> tuple[Cells, Series]:
    """All verdicts, and all measurements, as columns over the runs; `digests` oldest first.

    Those with the same layout are turned from rows into columns at once.
    """
    alike: dict[tuple[int, bytes], list[Digest]] = {}
    for one in digests:
        alike.setdefault((one.board, one.layout), []).append(one)
    cells: dict[tuple[int, int], list[Entry]] = {}
    series: dict[tuple[int, int, str], tuple[list[int], list[float], str]] = {}
    mixed = set[int]()
    seen = set[int]()
    for (board, layout), members in alike.items():
        mixed |= {board} & seen
        seen.add(board)
        told = json.loads(zlib.decompress(layout))
        scenarios, measured = told["scenarios"], told["measured"]
        rows = [_row(one, len(scenarios), len(measured)) for one in members]
        for scenario, entries in zip(scenarios, zip(*(entries for entries, _ in rows), strict=True), strict=True):
            cells.setdefault((board, scenario), []).extend(entries)
        orders = [one.order for one in members]
        for (scenario, name, unit), values in zip(measured, zip(*(v for _, v in rows), strict=True), strict=True):
            column = series.setdefault((board, scenario, name), ([], [], unit))
            column[0].extend(orders)
            column[1].extend(values)
    for key in cells:
        if key[0] in mixed:
            cells[key].sort()
    ordered = {key: _in_order(*column) if key[0] in mixed else column for key, column in series.items()}
    return dict(cells), dict(ordered)


def _row(one: Digest, results: int, measured: int) -> tuple[Iterator[Entry], Sequence[float]]:
    """The entries of a digest, and its measurements' values."""
    figures = struct.unpack(_format(results, measured), one.figures)
    verdicts = figures[:results]
    firmware = [number or None for number in figures[results : 2 * results]]
    outcomes, quarantined = map(_OUTCOME.__getitem__, verdicts), map(_IS_QUARANTINED.__getitem__, verdicts)
    fields = zip(repeat(one.order), firmware, outcomes, quarantined, figures[2 * results : 3 * results], strict=False)
    return map(tuple.__new__, repeat(Entry), fields), figures[3 * results :]


def _in_order(orders: list[int], values: list[float], unit: str) -> tuple[list[int], list[float], str]:
    ranked = sorted(zip(orders, values, strict=True))
    return [order for order, _ in ranked], [value for _, value in ranked], unit
