"""One scenario on one board, run by run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, ScalarSelect, select

from hil.evidence import Interval, wilson
from hil.history import schema
from hil.history.outcomes import FAILED, JUDGED
from hil.history.window import LAST, Board, Run, all_boards, all_firmware, newest, recent


@dataclass(frozen=True, slots=True)
class Point:
    """What became of it in one run. `measured`: by name, with units. `remarks`: (kind, text)."""

    run: Run
    outcome: str
    quarantined: bool
    seconds: float
    firmware: str
    test: str
    reason: str
    measured: Mapping[str, tuple[float, str]]
    remarks: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Trend:
    """`points` oldest first. `failed` of `tries` (n/a and ERROR left out), and the range of the rate behind it."""

    board: Board
    scenario: str
    points: Sequence[Point]
    failed: int
    tries: int
    rate: Interval


def trend(
    connection: Connection, scenario: str, board: str | None = None, *, last: int = LAST, rig: str | None = None
) -> list[Trend]:
    """The course of a scenario on one board, or on each board that ran it; empty where none did."""
    runs = {run.id: run for run in newest(connection, last=last, rig=rig)}
    boards, firmware = all_boards(connection), all_firmware(connection)
    asked = [b.id for b in boards.values() if board in (None, b.name)]
    rows = _rows(connection, scenario, asked, last, rig)
    measured = _measured(connection, scenario, asked, last, rig)
    remarks = _remarks(connection, scenario, last, rig)
    found: dict[int, list[Point]] = {}
    for row in rows:
        about = row.run_id, row.board_id
        found.setdefault(row.board_id, []).append(
            Point(
                run=runs[row.run_id],
                outcome=row.outcome,
                quarantined=row.quarantined,
                seconds=row.seconds,
                firmware="?" if row.firmware_id is None else firmware[row.firmware_id].name,
                test=row.test,
                reason=row.reason,
                measured=measured.get(about, {}),
                remarks=remarks.get(about, []),
            )
        )
    return [_trend(boards[key], scenario, points) for key, points in found.items()]


def _trend(board: Board, scenario: str, points: list[Point]) -> Trend:
    points.sort(key=lambda point: point.run.order)
    judged = [point for point in points if point.outcome in JUDGED]
    failed = sum(point.outcome in FAILED for point in judged)
    return Trend(board, scenario, points, failed, len(judged), wilson(failed, len(judged)))


def _id_of(scenario: str) -> ScalarSelect[int]:
    return select(schema.scenarios.c.id).where(schema.scenarios.c.title == scenario).scalar_subquery()


def _rows(
    connection: Connection, scenario: str, boards: Sequence[int], last: int, rig: str | None
) -> Sequence[Row[Any]]:
    results, chosen = schema.results, recent(last, rig)
    asked = (
        select(results)
        .join(chosen, results.c.run_id == chosen.c.id)
        .where(results.c.scenario_id == _id_of(scenario), results.c.board_id.in_(boards))
        .order_by(results.c.board_id)
    )
    return connection.execute(asked).all()


def _measured(
    connection: Connection, scenario: str, boards: Sequence[int], last: int, rig: str | None
) -> dict[tuple[int, int], dict[str, tuple[float, str]]]:
    table, chosen = schema.measurements.c, recent(last, rig)
    asked = (
        select(table.run_id, table.board_id, table.name, table.value, table.unit)
        .join(chosen, table.run_id == chosen.c.id)
        # With the boards named the key of the table leads to the rows; without, all of these runs are read.
        .where(table.scenario_id == _id_of(scenario), table.board_id.in_(boards))
    )
    found: dict[tuple[int, int], dict[str, tuple[float, str]]] = {}
    for run, board, name, value, unit in connection.execute(asked):
        found.setdefault((run, board), {})[name] = (value, unit)
    return found


def _remarks(
    connection: Connection, scenario: str, last: int, rig: str | None
) -> dict[tuple[int, int], list[tuple[str, str]]]:
    results, table, chosen = schema.results.c, schema.remarks.c, recent(last, rig)
    asked = (
        select(results.run_id, results.board_id, table.kind, table.text)
        .join(schema.results, table.result_id == results.id)
        .join(chosen, results.run_id == chosen.c.id)
        .where(results.scenario_id == _id_of(scenario))
    )
    found: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for run, board, kind, text in connection.execute(asked):
        found.setdefault((run, board), []).append((kind, text))
    return found
