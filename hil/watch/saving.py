"""What is shown, kept in a file or in the terminal's clipboard: for a ticket, or for another program."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from hil.timeline.event import plain
from hil.watch.line import MARKS, Columns
from hil.watch.row import SHORT, Row, whole

AS_EVENTS = ".jsonl"
"""The ending of a file that holds events, each as a timeline's file has it; any other holds lines to be read."""


def usual_name() -> str:
    """A name that is free: that of the moment."""
    return f"hil-watch-{datetime.now():%Y%m%d-%H%M%S}.txt"


def save(rows: Sequence[Row], name: str, columns: Columns) -> Path:
    """Write rows to a new file. Raises OSError: FileExistsError too, for nothing is ever written over."""
    path = Path(name).expanduser()
    make = as_event if path.suffix == AS_EVENTS else lambda row: as_line(row, columns)
    # For its owner alone, as the run's own files are: consoles say much.
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{make(row)}\n" for row in rows)
    return path


def as_line(row: Row, columns: Columns) -> str:
    """A row as it is on the screen, but whole; harmless as there."""
    board = f"{row.board or '':<12} "
    return f"{columns.time(row)} {MARKS[row.tone]} {board}{SHORT[row.lane]:<7} {whole(row.event)}".rstrip()


def as_event(row: Row) -> str:
    """An event as JSON, which `hil.timeline.events_of_line` reads."""
    event = row.event
    head = {"sequence": event.sequence, **({"worker": row.worker} if row.worker else {})}
    about = {"monotonic": event.monotonic, "wall": event.wall, "source": event.source, "kind": event.kind}
    data = {key: plain(value) for key, value in event.data.items()}
    return json.dumps({**head, **about, "board": event.board, "data": data})
