"""The quarantine list: scenarios that may fail for a while, on one board or on all, with a last day and a reason.

What is in quarantine runs as ever, is shown as quarantined where it fails, and does not fail the run. From the day
after its last one it fails again, with a line that says why. The list is in the history: all runners have the same.
"""

from __future__ import annotations

import datetime
import getpass
import shlex
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from hil.history import schema


@dataclass(frozen=True, slots=True)
class Entry:
    """`board` None: on all. `until`: the last day on which it holds, by the calendar of the host that runs the test."""

    scenario: str
    board: str | None
    until: datetime.date
    why: str
    by: str

    def holds(self, today: datetime.date) -> bool:
        """Whether it still counts."""
        return today <= self.until

    def words(self, today: datetime.date) -> str:
        """What is said beside a failure."""
        if self.holds(today):
            return f"quarantined until {self.until}: {self.why}"
        return (
            f"its quarantine expired on {self.until} (why it was: {self.why}); mend it, or say: "
            f"{self.command('add')} --until DATE --why REASON"
        )

    def command(self, action: str) -> str:
        """The command line for a shell that adds or removes this entry."""
        board = ["--board", self.board] if self.board is not None else []
        return shlex.join(["hil", "quarantine", action, self.scenario, *board])


def entries(connection: Connection) -> list[Entry]:
    """The whole list, what ends first first."""
    table = schema.quarantine.c
    rows = connection.execute(select(schema.quarantine).order_by(table.until, table.scenario, table.board))
    return [
        Entry(row.scenario, row.board or None, datetime.date.fromisoformat(row.until), row.why, row.by) for row in rows
    ]


def put(connection: Connection, scenario: str, board: str | None, until: datetime.date, why: str) -> None:
    """Add an entry, in place of one for the same scenario and board."""
    drop(connection, scenario, board)
    row = {"scenario": scenario, "board": board or "", "until": until.isoformat(), "why": why}
    connection.execute(insert(schema.quarantine).values(**row, by=_user(), added=time.time()))


def drop(connection: Connection, scenario: str, board: str | None) -> bool:
    """Take an entry off the list; False if there is none."""
    table = schema.quarantine
    done = connection.execute(delete(table).where(table.c.scenario == scenario, table.c.board == (board or "")))
    return bool(done.rowcount)


def ruling(listed: Iterable[Entry], scenario: str, board: str, today: datetime.date) -> Entry | None:
    """The entry that counts for a scenario on a board: one that still holds, if there is one."""
    meant: Sequence[Entry] = [e for e in listed if e.scenario == scenario and e.board in (None, board)]
    return max(meant, key=lambda entry: (entry.holds(today), entry.until), default=None)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return "?"
