"""Opens the history: SQLite as a file that several processes may write, or PostgreSQL; brought up to date first.

SQLite keeps a write-ahead log (WAL): readers never wait, writers wait for each other, and a kill at any moment loses
nothing that was committed. Each transaction that writes takes the lock at its beginning, so that none fails half-way.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import OperationalError as Unreachable
from sqlalchemy.pool import NullPool

from hil.history.migrations import STEPS, NewerDatabase, migrate, newer, version
from hil.history.place import Place

WAIT: Final = 30.0
"""Seconds that a writer waits for others."""

PATIENCE: Final = 20
"""Seconds that a reader waits for an answer of a server before it says that there is none."""

_READING: Final = {
    "connect_timeout": 5,
    "options": f"-c default_transaction_read_only=on -c statement_timeout={PATIENCE * 1000}",
    # A server whose host is gone says nothing at all: the network has to notice (PostgreSQL's manual, 34.1.2).
    "tcp_user_timeout": PATIENCE * 1000,
    **{"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3},
}
"""How libpq connects for reading alone; seconds, the two long ones milliseconds."""

_WRITING: Final = "hil_writing"
_NONE_YET: Final = "there is no history yet; a run with a board begins one, or say --history"


class HistoryError(ValueError):
    """The history cannot be used. One line: where it is, what happened, what to do."""


class HistoryAway(HistoryError):
    """A server that does not answer, or not now: asked again later it may."""


class History:
    """An opened history. `reading` and `writing` give connections; a `writing` one is a single transaction."""

    def __init__(self, place: Place, engine: Engine) -> None:
        self.place = place
        self._engine = engine

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout. Raises HistoryError."""
        with _told(self.place), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it or nothing. Raises HistoryError."""
        told = _told(self.place)
        with told, self._engine.execution_options(**{_WRITING: True}).begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_history(place: Place, *, create: bool = True) -> History:
    """Open it, and bring its tables up to date. `create` False: a file has to be there. Raises HistoryError."""
    file = place.file
    with _told(place):
        if file is not None:
            _prepare(file, create)
        history = History(place, _engine(place))
        try:
            with history.writing() as connection:
                migrate(connection)
        except BaseException:
            history.close()
            raise
        return history


@contextlib.contextmanager
def looking_at(place: Place) -> Iterator[Connection]:
    """A connection that can only read, beside whoever writes; nothing is made or brought up to date.

    Raises HistoryError, also where the tables are of another version.
    """
    with _told(place):
        if place.file is not None and not place.file.exists():
            raise HistoryError(f"{place.file}: {_NONE_YET}")
        history = History(place, _reading_engine(place))
    with history, history.reading() as connection:
        found = version(connection)
        if found > len(STEPS):
            raise NewerDatabase(newer(found))
        if found < len(STEPS):
            raise HistoryError(f"{place.shown}: its tables are of an earlier hil; `hil history` brings them up to date")
        yield connection


def _reading_engine(place: Place) -> Engine:
    if place.file is None:
        return create_engine(place.url, poolclass=NullPool, connect_args=_READING)
    # As SQLite's own URI, whose reading mode opens the file for nothing else.
    address = f"file:{quote(str(place.file))}?mode=ro"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool)
    event.listen(engine, "connect", _as_reader)
    event.listen(engine, "begin", _begin)
    return engine


def _as_reader(raw: Any, _: object) -> None:
    raw.isolation_level = None
    raw.execute(f"PRAGMA busy_timeout = {int(WAIT * 1000)}")


def _prepare(file: Path, create: bool) -> None:
    if not file.exists() and not create:
        raise HistoryError(f"{file}: {_NONE_YET}")
    file.parent.mkdir(parents=True, exist_ok=True)
    # What devices say may be nobody else's business; SQLite's own files beside it get the same mode.
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))


def _engine(place: Place) -> Engine:
    if place.file is None:
        return create_engine(place.url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    engine = create_engine(place.url, connect_args={"timeout": WAIT})
    event.listen(engine, "connect", _as_wal)
    event.listen(engine, "begin", _begin)
    return engine


def _as_wal(raw: Any, _: object) -> None:
    raw.isolation_level = None  # the driver begins no transactions of its own: `_begin` does
    cursor = raw.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(WAIT * 1000)}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _switch_to_wal(cursor)
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Done once in a file's life. Where others do it at the same moment SQLite does not wait, but fails."""
    deadline = time.monotonic() + WAIT
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextlib.contextmanager
def _told(place: Place) -> Iterator[None]:
    """What goes wrong inside, as one line without a password."""
    try:
        yield
    except NewerDatabase as error:
        raise HistoryError(f"{place.shown}: {error}") from None
    except ModuleNotFoundError as error:
        raise HistoryError(f"{place.shown}: {error}; install the extra: pip install 'hil[postgresql]'") from None
    except (OSError, ArgumentError, NoSuchModuleError) as error:
        raise HistoryError(f"{place.shown}: {_line(error)}") from None
    except Unreachable as error:
        kind = HistoryAway if place.file is None else HistoryError
        raise kind(f"{place.shown}: {_line(error.orig or error)}{_cure(place)}") from None
    except DBAPIError as error:
        raise HistoryError(f"{place.shown}: {_line(error.orig or error)}") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _cure(place: Place) -> str:
    if place.file is None:
        return "; check that the server runs, and that this user may use the database"
    return "; check who else uses the file, that it may be written, and that the disk has room"
