"""Writes what a run has found into the history: a cell at a time, as its tests finish.

Each cell is written whole, over what was there, so that writing it twice changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hil.history import digest, schema
from hil.history.cells import Cell, Firmware
from hil.history.database import History

KEY_FILE: Final = "history.key"
"""Of a run's folder: the key under which its results are kept."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run before its first result. `began`: seconds since 1970. `program`: hil and its version."""

    key: str
    rig: str
    host: str
    began: float
    artifacts: str
    program: str
    broker: str = ""


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """What the rig says of a board; `mac` None where it does not."""

    chip: str
    mac: str | None = None


def program() -> str:
    """This program and its version."""
    return f"hil {metadata.version('hil')}"


def key_of(folder: Path, *, new: bool = False) -> str:
    """What names the run in `folder` in any history: kept there, so that bringing it in again changes nothing.

    `new`: another run begins in this folder. Raises OSError.
    """
    file = folder / KEY_FILE
    if not new and file.exists():
        found = file.read_text(encoding="utf-8").strip()
        if found:
            return found
    key = str(uuid.uuid4())
    file.write_text(key + "\n", encoding="utf-8")
    return key


class Keeper:
    """Keeps one run. All methods raise HistoryError."""

    def __init__(self, history: History, run: RunFacts, boards: Mapping[str, BoardFacts]) -> None:
        self._history = history
        self._run = run
        self._boards = boards
        self._ids: dict[tuple[str, str], int] = {}

    def keep(self, cells: Iterable[Cell]) -> None:
        """Write cells that have an outcome, in one transaction."""
        settled = [cell for cell in cells if cell.outcome]
        if not settled:
            return
        ids = dict(self._ids)  # an id counts only once the transaction that made it is through
        with self._history.writing() as connection:
            run = self._run_id(connection, ids)
            # Its digests are made of all that is there: on PostgreSQL only one process at a time may.
            connection.execute(select(schema.runs.c.id).where(schema.runs.c.id == run).with_for_update())
            boards = [self._keep(connection, cell, ids) for cell in settled]
            for board in sorted(set(boards)):
                digest.write(connection, run, board)
        self._ids = ids

    def end(self, when: float) -> None:
        """The run is over; `when` in seconds since 1970."""
        with self._history.writing() as connection:
            connection.execute(update(schema.runs).where(schema.runs.c.key == self._run.key).values(ended=when))

    def _keep(self, connection: Connection, cell: Cell, ids: dict[tuple[str, str], int]) -> int:
        """Write a cell; returns its board's id."""
        run = self._run_id(connection, ids)
        board = self._board_id(connection, cell.board, ids)
        scenario = _id(connection, ids, schema.scenarios, "title", {"title": cell.scenario})
        firmware = self._firmware_id(connection, cell.firmware, cell.finished, ids)
        test, reason = cell.decided_by
        key = {"run_id": run, "board_id": board, "scenario_id": scenario}
        rest = {
            "firmware_id": firmware,
            "outcome": cell.outcome,
            "quarantined": cell.quarantined,
            "seconds": cell.seconds,
            "finished": cell.finished,
            "test": _clean(test),
            "reason": _clean(reason),
        }
        result = _put(connection, schema.results, key, rest)
        connection.execute(delete(schema.remarks).where(schema.remarks.c.result_id == result))
        if cell.remarks:
            rows = {(kind, _clean(text)) for kind, text in cell.remarks}
            connection.execute(
                insert(schema.remarks),
                [{"result_id": result, "kind": kind, "text": text} for kind, text in sorted(rows)],
            )
        for name, (value, unit) in cell.measured.items():
            _put_measurement(connection, {**key, "name": name}, {"value": value, "unit": unit})
        return board

    def _run_id(self, connection: Connection, ids: dict[tuple[str, str], int]) -> int:
        run = self._run
        row = {
            "key": run.key,
            "rig": run.rig,
            "host": run.host,
            "began": run.began,
            "broker": run.broker,
            "artifacts": run.artifacts,
            "program": run.program,
        }
        return _id(connection, ids, schema.runs, "key", row)

    def _board_id(self, connection: Connection, name: str, ids: dict[tuple[str, str], int]) -> int:
        known = ids.get(("boards", name))
        if known is None:
            facts = self._boards.get(name, BoardFacts(""))
            about = {"chip": facts.chip, "mac": facts.mac}
            known = ids["boards", name] = _put(connection, schema.boards, {"rig": self._run.rig, "name": name}, about)
        return known

    def _firmware_id(
        self, connection: Connection, firmware: Firmware | None, now: float, ids: dict[tuple[str, str], int]
    ) -> int | None:
        if firmware is None:
            return None
        row = {
            "key": firmware.key,
            "contract": firmware.contract,
            "hash": firmware.sha256,
            "version": firmware.version,
            "revision": firmware.revision,
            "first_seen": now,
        }
        found = _id(connection, ids, schema.firmware, "key", row)
        table = schema.firmware
        # A run that is brought in later may be an older one; and a revision may be told only the second time.
        earlier = update(table).where(table.c.id == found, table.c.first_seen > now)
        connection.execute(earlier.values(first_seen=now))
        for name in ("version", "revision"):
            if row[name] is not None:
                unknown = update(table).where(table.c.id == found, table.c[name].is_(None))
                connection.execute(unknown.values({name: row[name]}))
        return found


def _id(
    connection: Connection, ids: dict[tuple[str, str], int], table: Table, name: str, row: Mapping[str, Any]
) -> int:
    """The id of the row with this `name`; made if it is not there. Others may make it at the same moment."""
    key = (table.name, str(row[name]))
    if key not in ids:
        asked = select(table.c.id).where(table.c[name] == row[name])
        found = connection.execute(asked).scalar()
        if found is None:
            connection.execute(_insert(connection, table).values(row).on_conflict_do_nothing(index_elements=[name]))
            found = connection.execute(asked).scalar_one()
        ids[key] = int(found)
    return ids[key]


def _put(connection: Connection, table: Table, key: Mapping[str, Any], rest: Mapping[str, Any]) -> int:
    """Write a row over the one with the same key, if there is one; returns its id."""
    statement = _insert(connection, table).values({**key, **rest})
    statement = statement.on_conflict_do_update(index_elements=list(key), set_=dict(rest)).returning(table.c.id)
    return int(connection.execute(statement).scalar_one())


def _put_measurement(connection: Connection, key: Mapping[str, Any], rest: Mapping[str, Any]) -> None:
    statement = _insert(connection, schema.measurements).values({**key, **rest})
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(rest)))


def _insert(connection: Connection, table: Table) -> Any:
    """The two kinds of database spell 'insert or update' alike, and SQLAlchemy has it for each of them alone."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


def _clean(text: str) -> str:
    """PostgreSQL takes no NUL in a text, and neither takes half of a surrogate pair."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
