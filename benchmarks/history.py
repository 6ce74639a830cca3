"""The history with 100,000 results: how long each question of `hil history` takes.

    python benchmarks/history.py [--runs 250] [--last 50] [--keep FOLDER]

Runs of eight boards with fifty scenarios each, with four measurements to a result. Each question is asked in this
process, as `hil history` asks it, from the opening of the database to the answer; in turn with it the same is asked of
the same file by pandas, and of drifts by pymannkendall, with which one would answer it without a tool of one's own.
Their answers are plainer: no exact tests, no correction for how many were asked, no neighbours allowed for. All of it
runs in one thread that waits for nothing, so its time on the processor is what the clock would show on a free machine.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from hil.history import digest, schema
from hil.history.database import History, open_history
from hil.history.place import parse
from hil.history.questions import drifts, flaky, lonely, regressions, trend
from hil.history.runs import counts
from hil.history.window import newest, window

BEGAN, DAY = 1_780_000_000.0, 86_400.0
BOARDS, SCENARIOS = 8, 50
NIGHTLY_FIRMWARE = 5
"""Runs with the same firmware."""
MEASURED = (("time_to_online", "s", 3.0), ("retry_gap", "s", 1.0), ("reconnects", "", 2.0), ("heap_least", "B", 1.5e5))
TIMES = 5
ASKED = 0.2

TRENDED = "behaves well in case 7"


def fill(history: History, runs: int) -> int:
    """Put the runs in; returns how many results that are."""
    with history.writing() as connection:
        named = [{"id": n, "title": f"behaves well in case {n}"} for n in range(1, SCENARIOS + 1)]
        connection.execute(insert(schema.scenarios), named)
        boards = [{"id": n, "rig": "lab", "name": f"esp32-{n}", "chip": "esp32"} for n in range(1, BOARDS + 1)]
        connection.execute(insert(schema.boards), boards)
        dice = random.Random(7)
        for run in range(1, runs + 1):
            _fill_run(connection, run, dice)
    return runs * BOARDS * SCENARIOS


def _fill_run(connection: Connection, run: int, dice: random.Random) -> None:
    began, firmware = BEGAN + run * DAY, 1 + run // NIGHTLY_FIRMWARE
    about = {"host": "pi", "broker": "mosquitto 2.0.21", "artifacts": f"/lab/{run}", "program": "hil 0.1.0"}
    key = {"id": run, "key": f"run {run}", "rig": "lab", "began": began, "ended": began + 9000}
    connection.execute(insert(schema.runs), [{**key, **about}])
    if run == 1 or run % NIGHTLY_FIRMWARE == 0:
        told = {"contract": "reference", "hash": f"{firmware:064x}", "version": f"1.4.{firmware}", "revision": None}
        one = {"id": firmware, "key": f"{firmware:064x}", "first_seen": began, **told}
        connection.execute(insert(schema.firmware), [one])
    results, measured = [], []
    for board in range(1, BOARDS + 1):
        for scenario in range(1, SCENARIOS + 1):
            cell = {"run_id": run, "board_id": board, "scenario_id": scenario}
            results.append({**cell, "firmware_id": firmware, **_result(dice, run, board, scenario, began)})
            for name, unit, value in MEASURED:
                moved = 1 + 0.004 * run * (scenario % 25 == 3) + dice.gauss(0, 0.05)
                measured.append({**cell, "name": name, "unit": unit, "value": value * moved})
    connection.execute(insert(schema.results), results)
    connection.execute(insert(schema.measurements), measured)
    for board in range(1, BOARDS + 1):
        digest.write(connection, run, board)


def _result(dice: random.Random, run: int, board: int, scenario: int, began: float) -> dict[str, Any]:
    """Mostly it passes; one scenario in ten is flaky, one board has trouble of its own, two broke a while ago."""
    rate = 0.15 if scenario % 10 == 1 else 0.05 if board == 3 else 0.002
    bad = dice.random() < rate or (scenario in (8, 9) and run % 250 > 238)
    return {
        "outcome": "FAIL" if bad else "n/a" if scenario % 17 == 0 else "pass",
        "quarantined": False,
        "seconds": 20 * (1 + dice.gauss(0, 0.03)),
        "finished": began + 60 * scenario,
        "test": f"tests/scenarios/test_case.py::test_{scenario}[esp32-{board}]",
        "reason": "assert it was online: no CONNECT within 30 s of the power cut" if bad else "",
    }


def ours(last: int) -> dict[str, Callable[[Connection], Any]]:
    """Each question as `hil.history.actions` asks it."""

    def overview(connection: Connection) -> Any:
        found = window(connection, last=last)
        return (
            counts(connection, found.runs[-1:]),
            *(regressions(found), flaky(found), lonely(found), drifts(found)),
        )

    return {
        "runs": lambda connection: counts(connection, newest(connection, last=last)),
        "trend": lambda connection: trend(connection, TRENDED, last=last),
        "regressions": lambda connection: regressions(window(connection, last=last)),
        "flaky": lambda connection: flaky(window(connection, last=last)),
        "boards": lambda connection: lonely(window(connection, last=last)),
        "drifts": lambda connection: drifts(window(connection, last=last)),
        "overview": overview,
    }


def theirs(file: Path, last: int) -> dict[str, Callable[[], Any]]:
    """The same questions, as one would ask them with pandas and pymannkendall."""
    import sqlite3

    import pandas
    import pymannkendall

    chosen = f"(SELECT id FROM runs ORDER BY began DESC LIMIT {last})"

    def table(words: str) -> Any:
        with contextlib.closing(sqlite3.connect(file)) as database:
            return pandas.read_sql_query(words, database)

    def results(more: str = "") -> Any:
        columns = "run_id, board_id, scenario_id, firmware_id, outcome, seconds"
        return table(f"SELECT {columns} FROM results WHERE run_id IN {chosen} {more} ORDER BY run_id")

    def judged() -> Any:
        found = results()
        found = found[found.outcome.isin(["pass", "WARN", "FAIL", "flaky"])]
        return found.assign(bad=found.outcome.isin(["FAIL", "flaky"]))

    def runs() -> Any:
        found = results()
        return found.groupby(["run_id", "outcome"]).agg(number=("seconds", "size"), seconds=("seconds", "sum"))

    def trend() -> Any:
        words = f"AND scenario_id = (SELECT id FROM scenarios WHERE title = '{TRENDED}')"
        values = table(f"SELECT run_id, board_id, name, value FROM measurements WHERE run_id IN {chosen} {words}")
        wide = values.pivot_table(index=["run_id", "board_id"], columns="name", values="value")
        return results(words).merge(wide, on=["run_id", "board_id"])

    def regressions() -> Any:
        found = judged()
        cells = found.groupby(["board_id", "scenario_id"])
        good = found[~found.bad].groupby(["board_id", "scenario_id"]).run_id.max()
        return cells.bad.last().to_frame().join(good.rename("last_good")).query("bad")

    def flaky() -> Any:
        found = judged()
        cells = found.groupby(["board_id", "scenario_id", "firmware_id"]).bad
        told = cells.agg(["mean", "size"]).assign(changes=cells.apply(lambda bad: (bad != bad.shift()).sum() - 1))
        return told[told.changes >= 2]

    def boards() -> Any:
        found = judged()
        alone = found.groupby(["run_id", "scenario_id", "firmware_id"]).bad.transform("sum") == 1
        return found[alone & found.bad].groupby("board_id").run_id.nunique()

    def drifts() -> Any:
        words = f"SELECT run_id, board_id, scenario_id, name, value FROM measurements WHERE run_id IN {chosen}"
        passed = results("AND outcome IN ('pass', 'WARN')").rename(columns={"seconds": "value"})
        found = pandas.concat([table(f"{words} ORDER BY run_id"), passed.assign(name="duration")])
        series = found.groupby(["board_id", "scenario_id", "name"]).value
        return [name for name, values in series if pymannkendall.original_test(values.to_numpy()).p <= 0.0001]

    def overview() -> Any:
        return runs(), regressions(), flaky(), boards(), drifts()

    return {f.__name__: f for f in (runs, trend, regressions, flaky, boards, drifts, overview)}


@contextlib.contextmanager
def other_tools(folder: Path) -> Iterator[None]:
    """pandas and pymannkendall, in a folder of their own: nothing else here needs them."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(folder)]
    if not folder.exists():
        subprocess.run([*pip, "pandas", "pymannkendall"], check=True, capture_output=True)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def asked(place: Path, ask: Callable[[Connection], Any]) -> Any:
    """From the opening of the history to the answer."""
    with open_history(parse(str(place), "", Path.cwd()), create=False) as history, history.reading() as connection:
        return ask(connection)


def timed(ask: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    start, spent = time.perf_counter(), time.process_time()
    ask()
    return time.perf_counter() - start, time.process_time() - spent


def measure(file: Path, last: int, tools: Path) -> None:
    with other_tools(tools):
        others = theirs(file, last)
        gc.freeze()  # what one of them has in memory is not for the other to walk through
        print(f"{'':12}{'hil: by the clock':>20} {'processor':>10} {'pandas: processor':>18} {'ratio':>6}")
        for name, ask in ours(last).items():
            # The first of each warms the file's pages, and imports.
            pairs = [(*timed(lambda: asked(file, ask)), timed(others[name])[1]) for _ in range(TIMES + 1)][1:]  # noqa: B023
            clock, mine, other = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
            told = f"{clock:17.0f} ms {mine:7.0f} ms {other:15.0f} ms {mine / other:6.2f}"
            print(f"{name:12}{told}{'' if mine <= ASKED * 1000 else '  above what is asked'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=250, help="how many, of 400 results each (default: 250)")
    parser.add_argument("--last", type=int, default=50, help="runs that are looked at (default: 50, as hil history)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the database here, and use one that is here")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "history.sqlite"
        if not file.exists():
            with open_history(parse(str(file), "", Path.cwd())) as history:
                fill(history, options.runs)
        print(f"{options.runs * BOARDS * SCENARIOS:,} results, {file.stat().st_size / 1e6:.0f} MB; ", end="")
        print(f"the last {options.last} runs; medians of {TIMES}, asked: {ASKED * 1000:.0f} ms")
        measure(file, options.last, Path(__file__).parents[1] / "build" / "benchmarks" / "pandas")
