"""What is asked of single runs, and of what there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from hil.history import schema
from hil.history.causes import KIND as CAUSE
from hil.history.outcomes import AMISS, shown
from hil.history.window import Run
from hil.natural_order import natural


@dataclass(frozen=True, slots=True)
class Counts:
    """How many results of each outcome a run has; those in quarantine that failed are counted as 'quarantined'."""

    run: Run
    outcomes: Mapping[str, int]
    seconds: float

    def has(self, name: str) -> bool:
        """Whether there is any of this outcome."""
        return bool(self.outcomes.get(name))


def counts(connection: Connection, runs: Sequence[Run]) -> list[Counts]:
    """For each run, in the order given."""
    table = schema.results.c
    asked = (
        select(table.run_id, table.outcome, table.quarantined, func.count(), func.sum(table.seconds))
        .where(table.run_id.in_([run.id for run in runs]))
        .group_by(table.run_id, table.outcome, table.quarantined)
    )
    found: dict[int, dict[str, int]] = {}
    seconds: dict[int, float] = {}
    for run, outcome, quarantined, number, took in connection.execute(asked):
        outcomes = found.setdefault(run, {})
        name = shown(outcome, quarantined)
        outcomes[name] = outcomes.get(name, 0) + number
        seconds[run] = seconds.get(run, 0.0) + took
    return [Counts(run, found.get(run.id, {}), seconds.get(run.id, 0.0)) for run in runs]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a scenario on a board in one run. `firmware`: its id; `board`: the board's id.

    `reason`: in the test's words; `cause`: what the diagnosis found most probable, None where it found nothing.
    """

    board: int
    scenario: str
    firmware: int | None
    outcome: str
    quarantined: bool
    seconds: float
    reason: str
    cause: str | None = None

    @property
    def why(self) -> str:
        """What the diagnosis found, and what the test said; '' where neither said anything."""
        return ": ".join(filter(None, (self.cause, self.reason)))


def results(connection: Connection, run: int) -> list[Result]:
    """All of the run with this id, by scenario and board's id."""
    table, title = schema.results.c, schema.scenarios.c.title
    columns = (table.board_id, title, table.firmware_id, table.outcome, table.quarantined, table.seconds, table.reason)
    asked = select(*columns).join(schema.scenarios, table.scenario_id == schema.scenarios.c.id)
    causes = _causes(connection, run)
    found = [
        Result(*row, cause=causes.get((row.board_id, row.title)))
        for row in connection.execute(asked.where(table.run_id == run))
    ]
    return sorted(found, key=lambda one: (natural(one.scenario), one.board))


def _causes(connection: Connection, run: int) -> dict[tuple[int, str], str]:
    """By board's id and scenario."""
    table, title, remarks = schema.results.c, schema.scenarios.c.title, schema.remarks.c
    asked = (
        select(table.board_id, title, remarks.text)
        .join(schema.scenarios, table.scenario_id == schema.scenarios.c.id)
        .join(schema.remarks, remarks.result_id == table.id)
        .where(table.run_id == run, remarks.kind == CAUSE)
    )
    return {(board, scenario): text for board, scenario, text in connection.execute(asked)}


def bad(connection: Connection, runs: Sequence[Run]) -> list[tuple[Run, Result]]:
    """What was not as it should be in these runs, the worst first."""
    found = [(run, one) for run in runs for one in results(connection, run.id) if one.outcome in AMISS]
    return sorted(found, key=lambda item: AMISS.index(item[1].outcome))


def reasons(found: Iterable[tuple[Run, Result]]) -> dict[tuple[int, str], str]:
    """Why, by board and scenario, of results that were bad; of those of which it is known."""
    return {(one.board, one.scenario): one.why for _, one in found if one.why}


def titles(connection: Connection) -> list[str]:
    """The titles of all scenarios that have a result, in order."""
    return sorted(connection.execute(select(schema.scenarios.c.title)).scalars(), key=natural)
