"""Histories made up for tests: what was put into them is known, so what is found in them can be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hil.history.digest import Entry
from hil.history.window import Board, Firmware, Run, Window

DAY = 86_400.0
BEGIN = 1_790_000_000.0

#: From board, scenario and run to an outcome, or None where it did not run.
Course = Callable[[int, int, int], str | None]


def past(
    course: Course,
    *,
    runs: int = 40,
    boards: int = 4,
    scenarios: int = 5,
    firmware: Callable[[int, int], int | None] = lambda board, run: 1,
    seconds: Callable[[int, int, int], float] = lambda board, scenario, run: 10.0,
) -> Window:
    """A window of so many runs, one a day. `firmware`: from board and run to its number."""
    cells: dict[tuple[int, int], list[Entry]] = {}
    numbers = set[int]()
    for board in range(boards):
        for scenario in range(scenarios):
            for run in range(runs):
                outcome, number = course(board, scenario, run), firmware(board, run)
                numbers |= {number} if number is not None else set()
                if outcome is not None:
                    entry = Entry(run, number, outcome, False, seconds(board, scenario, run))
                    cells.setdefault((board, scenario), []).append(entry)
    return Window(
        runs=[a_run(order) for order in range(runs)],
        boards={board: Board(board, "lab", f"board-{board}", "esp32") for board in range(boards)},
        scenarios={scenario: f"does {scenario}" for scenario in range(scenarios)},
        firmware={n: Firmware(n, "contract", f"{n:064x}", f"1.{n}", None, BEGIN) for n in numbers},
        cells=cells,
    )


def a_run(order: int) -> Run:
    """A run of the made-up lab."""
    began = BEGIN + order * DAY
    return Run(order, order, f"run-{order}", "lab", "host", began, began + 60, f"/runs/{order}", "mosquitto", "hil 0")


def lines(
    board: str,
    scenario: str,
    outcome: str,
    *,
    wall: float = BEGIN,
    seconds: float = 1.0,
    measured: Mapping[str, tuple[float, str]] | None = None,
    sha256: str = "ab" * 32,
    failure: str = "E   assert it was online",
    **more: Any,
) -> list[dict[str, Any]]:
    """The lines of results.jsonl for one test with this verdict: set-up, call, tear-down."""
    about = {"test": f"test_it.py::test_{scenario.replace(' ', '_')}[{board}]", "board": board, "scenario": scenario}
    about |= {"wall": wall, "seconds": seconds / 2, "broker": "mosquitto", "worker": None, **more}
    if outcome in ("n/a", "ERROR"):
        said = {"outcome": "skipped", "reason": "no gateway"} if outcome == "n/a" else {"outcome": "failed"}
        return [{**about, "phase": "setup", "failure": failure if outcome == "ERROR" else None, **said}]
    call: dict[str, Any] = {"phase": "call", "outcome": "failed" if outcome == "FAIL" else "passed"}
    call |= {"failure": failure if outcome == "FAIL" else None, "warnings": ["odd"] if outcome == "WARN" else []}
    call |= {"firmware": {"contract": "reference", "sha256": sha256, "version": "1.4.2"}, "measured": measured or {}}
    return [
        {**about, "phase": "setup", "outcome": "passed", "seconds": 0.0},
        {**about, **call},
        {**about, "phase": "teardown", "outcome": "passed"},
    ]


def flattened(cells: Iterable[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """All lines of several tests."""
    return [line for cell in cells for line in cell]
