"""The tables, as they are now. How a database comes to have them is in `hil.history.migrations`.

A **result** is what became of one scenario on one board in one run: the worst of its tests, as in the run's summary.
Times are seconds since 1970 by the clock of the host that ran it.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("rig", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("began", Double, nullable=False, index=True),
    Column("ended", Double),
    Column("broker", Text, nullable=False),
    Column("artifacts", Text, nullable=False),
    Column("program", Text, nullable=False),
)
"""`key` names a run wherever it is written down; `ended` is empty while it runs, and after a kill."""

boards = Table(
    "boards",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rig", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("chip", Text, nullable=False),
    Column("mac", Text),
    UniqueConstraint("rig", "name"),
)

firmware = Table(
    "firmware",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("contract", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("version", Text),
    Column("revision", Text),
    Column("first_seen", Double, nullable=False),
)
"""`key` tells one from another (`hil.history.cells.Firmware`); `hash` is the images' SHA-256, in hex."""

scenarios = Table(
    "scenarios",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", Text, nullable=False, unique=True),
)

results = Table(
    "results",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("board_id", Integer, ForeignKey("boards.id"), nullable=False),
    Column("scenario_id", Integer, ForeignKey("scenarios.id"), nullable=False),
    Column("firmware_id", Integer, ForeignKey("firmware.id")),
    Column("outcome", Text, nullable=False),
    Column("quarantined", Boolean, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("finished", Double, nullable=False),
    Column("test", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("run_id", "board_id", "scenario_id"),
    Index("ix_results_cell", "board_id", "scenario_id"),
)
"""`outcome`: 'pass', 'WARN', 'n/a', 'flaky', 'FAIL' or 'ERROR'; `test`: the id of the one that decided it."""

remarks = Table(
    "remarks",
    metadata,
    Column("result_id", Integer, ForeignKey("results.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("text", Text, primary_key=True),
)
"""`kind`: 'finding', 'warning', or 'cause', which the diagnosis found."""

measurements = Table(
    "measurements",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("board_id", Integer, ForeignKey("boards.id"), primary_key=True),
    Column("scenario_id", Integer, ForeignKey("scenarios.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Double, nullable=False),
    Column("unit", Text, nullable=False),
)

digests = Table(
    "digests",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("board_id", Integer, ForeignKey("boards.id"), primary_key=True),
    Column("layout", LargeBinary, nullable=False),
    Column("figures", LargeBinary, nullable=False),
)
"""Of results and measurements, and made of them alone; what is in it says `hil.history.digest`."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scenario", Text, nullable=False),
    Column("board", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("added", Double, nullable=False),
    UniqueConstraint("scenario", "board"),
)
"""`board` is empty where it is meant for all. `until` is the last day on which it holds, as 2026-12-31."""
