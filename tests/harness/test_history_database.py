"""The history as a database: steps from any version to the newest, many writers at once, and kills."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from histories import BEGIN, flattened, lines
from postgres import Postgres
from sqlalchemy import Connection, create_engine, delete, inspect, select

from hil.history import migrations, schema
from hil.history.cells import Cells
from hil.history.database import History, HistoryError, open_history
from hil.history.digest import Entry
from hil.history.keep import BoardFacts, Keeper, RunFacts
from hil.history.place import Place, parse
from hil.history.questions import trend
from hil.history.runs import counts
from hil.history.window import newest, window


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server of these tests' own."""
    found = Postgres()
    yield found
    found.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place for a new history, of each kind."""
    if request.param == "sqlite":
        return parse("history.sqlite", "--history", tmp_path)
    found: Postgres = request.getfixturevalue("server")
    return found.new(f"t{abs(hash(request.node.name))}_{os.getpid()}")


def keep(history: History, key: str, *tests: list[dict[str, object]], began: float = BEGIN) -> Keeper:
    cells = Cells()
    for line in flattened(tests):  # type: ignore[arg-type]
        cells.take(line)
    run = RunFacts(key, "lab", "host", began, "/runs/1", "hil 0")
    keeper = Keeper(history, run, {"a": BoardFacts("esp32", "24:0a:c4:00:01:10")})
    keeper.keep(cells)
    return keeper


def test_a_result_is_kept_with_all_that_belongs_to_it(place: Place) -> None:
    with open_history(place) as history:
        measured = {"time_to_online": (1.25, "s"), "retry_gap": (float("nan"), "s")}  # which is no measurement
        test = lines("a", "comes online", "WARN", measured=measured, findings=["it has\0a date"])
        keep(history, "run", test).end(BEGIN + 60)
        with history.reading() as connection:
            (run,) = newest(connection)
            (found,) = trend(connection, "comes online", "a")
    assert (run.key, run.rig, run.began, run.ended) == ("run", "lab", BEGIN, BEGIN + 60)
    (point,) = found.points
    assert (point.outcome, point.seconds, point.measured) == ("WARN", 1.0, {"time_to_online": (1.25, "s")})
    assert set(point.remarks) == {("warning", "odd"), ("finding", "it has\\0a date")}
    assert point.firmware == "1.4.2 (abababab)"
    assert found.board.chip == "esp32"


def test_a_result_is_written_over_when_more_is_known(place: Place) -> None:
    with open_history(place) as history:
        keep(history, "run", lines("a", "x", "pass", findings=["one"]), lines("b", "x", "pass"))
        keep(history, "run", lines("a", "x", "FAIL", findings=["two"]), lines("b", "x", "pass"))
        keep(history, "another", lines("a", "x", "pass"), began=BEGIN + 10)
        with history.reading() as connection:
            assert [one.outcomes for one in counts(connection, newest(connection))] == [
                {"FAIL": 1, "pass": 1},
                {"pass": 1},
            ]
            (found,) = trend(connection, "x", "a")
    assert [point.outcome for point in found.points] == ["FAIL", "pass"]
    assert found.points[0].remarks == [("finding", "two")]
    assert "assert it was online" in found.points[0].reason


def test_a_window_holds_the_newest_runs_of_each_rig(place: Place) -> None:
    with open_history(place) as history:
        for number in range(6):
            keep(history, f"run-{number}", lines("a", "x", "pass"), began=BEGIN + 10 - number)
        with history.reading() as connection:
            assert [run.key for run in window(connection, last=3).runs] == ["run-2", "run-1", "run-0"]
            assert window(connection, last=3, rig="another").runs == []
            assert len(window(connection, board="a").cells) == 1
            assert len(window(connection, board="b").cells) == 0


def a_busy_week(history: History) -> None:
    """Results of all kinds that come in any order, with what was measured; some runs have but a part of them."""
    dice = random.Random(5)
    for run in range(7):
        tests = [
            lines(
                board,
                scenario,
                dice.choice(("pass", "WARN", "FAIL", "ERROR", "n/a")),
                seconds=dice.random() * 9,
                sha256=f"{dice.randrange(3):02x}" * 32,
                measured={name: (dice.gauss(5, 1), unit) for name, unit in (("retry_gap", "s"), ("flash_time", "s"))},
                quarantined=dice.random() < 0.5,
            )
            for board in ("a", "b")
            for scenario in ("x", "y", "z")
            if dice.random() < 0.8
        ]
        dice.shuffle(tests)
        for test in tests:
            keep(history, f"run-{run}", test, began=BEGIN - run)


def straight(connection: Connection) -> tuple[dict[tuple[int, int], list[Entry]], dict[tuple[int, int, str], Any]]:
    """What a window holds, read from the tables that digests are made of."""
    orders = {run.id: run.order for run in newest(connection)}
    cells: dict[tuple[int, int], list[Entry]] = {}
    for row in connection.execute(select(schema.results)):
        entry = Entry(orders[row.run_id], row.firmware_id, row.outcome, row.quarantined, row.seconds)
        cells.setdefault((row.board_id, row.scenario_id), []).append(entry)
    series: dict[tuple[int, int, str], Any] = {}
    rows = connection.execute(select(schema.measurements)).all()
    for row in sorted(rows, key=lambda row: orders[row.run_id]):
        column = series.setdefault((row.board_id, row.scenario_id, row.name), ([], [], row.unit))
        column[0].append(orders[row.run_id])
        column[1].append(row.value)
    return {key: sorted(entries) for key, entries in cells.items()}, series


def test_what_is_read_in_digests_is_what_the_tables_hold(place: Place) -> None:
    with open_history(place) as history:
        a_busy_week(history)
        with history.reading() as connection:
            cells, series = straight(connection)
            found = window(connection)
            assert len({entry.outcome for entries in cells.values() for entry in entries}) == 5
            assert any(entry.quarantined for entries in cells.values() for entry in entries)
            assert {key: list(entries) for key, entries in found.cells.items()} == cells
            assert {k: (list(o), list(v), u) for k, (o, v, u) in found.measured.items()} == series
            (one,) = (board.id for board in found.boards.values() if board.name == "a")
            assert {key: list(e) for key, e in window(connection, board="a").cells.items()} == {
                key: entries for key, entries in cells.items() if key[0] == one
            }


def test_a_run_that_is_deleted_takes_its_digests_along(place: Place) -> None:
    with open_history(place) as history:
        keep(history, "run", lines("a", "x", "pass"))
        with history.writing() as connection:
            connection.execute(delete(schema.runs))
        with history.reading() as connection:
            assert connection.execute(select(schema.digests)).all() == []


def test_digests_are_made_of_what_an_older_database_has(place: Place) -> None:
    with open_history(place) as history:
        a_busy_week(history)
        with history.reading() as connection:
            before = window(connection)
        with history.writing() as connection:  # as it was before there were any
            connection.exec_driver_sql("DROP TABLE digests")
            connection.exec_driver_sql("DELETE FROM hil_schema WHERE version = 4")
    with open_history(place) as history, history.reading() as connection:
        assert window(connection) == before


def test_an_older_database_is_brought_up_to_date_and_keeps_what_it_has(place: Place) -> None:
    engine = create_engine(place.url)
    with engine.begin() as connection:
        assert migrations.migrate(connection, migrations.STEPS[:1]) == 1
        connection.exec_driver_sql(
            "INSERT INTO runs (key, rig, host, began, broker, artifacts, program) VALUES ('k', 'r', 'h', 1, '', '', '')"
        )
        connection.exec_driver_sql("INSERT INTO boards (rig, name, chip) VALUES ('r', 'a', 'esp32')")
        connection.exec_driver_sql("INSERT INTO scenarios (title) VALUES ('x')")
        connection.exec_driver_sql(
            "INSERT INTO results (run_id, board_id, scenario_id, outcome, seconds, finished, test, reason) "
            "VALUES (1, 1, 1, 'pass', 2.5, 3, 't', '')"
        )
        connection.exec_driver_sql("INSERT INTO measurements VALUES (1, 1, 1, 'retry_gap', 0.5, 's')")
    engine.dispose()
    for _ in range(2):  # the second time there is nothing left to do
        with open_history(place) as history, history.reading() as connection:
            assert migrations.version(connection) == len(migrations.STEPS)
            (found,) = trend(connection, "x")
            assert found.points[0].measured == {"retry_gap": (0.5, "s")}
            assert window(connection).measured == {(1, 1, "retry_gap"): ([0], [0.5], "s")}
            assert (found.points[0].outcome, found.points[0].quarantined, found.points[0].seconds) == (
                "pass",
                False,
                2.5,
            )


def test_the_steps_lead_to_the_tables_that_the_program_expects(place: Place, tmp_path: Path) -> None:
    open_history(place).close()
    engine = create_engine(place.url)
    fresh = create_engine(f"sqlite:///{tmp_path / 'fresh'}")
    schema.metadata.create_all(fresh)
    have, want = inspect(engine), inspect(fresh)
    assert set(have.get_table_names()) == {*want.get_table_names(), "hil_schema"}
    for table in want.get_table_names():
        assert columns(have, table) == columns(want, table), table
        assert {i["name"] for i in have.get_indexes(table) if not i.get("duplicates_constraint")} == {
            i["name"] for i in want.get_indexes(table)
        }, table
        assert uniques(have, table) == uniques(want, table), table
        assert (
            have.get_pk_constraint(table)["constrained_columns"]
            == (want.get_pk_constraint(table)["constrained_columns"])
        )
    engine.dispose()
    fresh.dispose()


def columns(found: object, table: str) -> list[tuple[str, bool]]:
    return [(c["name"], c["nullable"]) for c in sorted(found.get_columns(table), key=lambda c: c["name"])]  # type: ignore[attr-defined]


def uniques(found: object, table: str) -> set[tuple[str, ...]]:
    return {tuple(c["column_names"]) for c in found.get_unique_constraints(table)}  # type: ignore[attr-defined]


def test_a_database_of_a_later_version_is_left_alone(place: Place) -> None:
    with open_history(place) as history, history.writing() as connection:
        connection.exec_driver_sql("INSERT INTO hil_schema (version) VALUES (99)")
    with pytest.raises(HistoryError, match=r"has version 99, and this hil knows up to \d; use the newer hil"):
        open_history(place)


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from histories import lines
from test_history_database import keep
from hil.history.database import open_history
from hil.history.place import parse

number = sys.argv[1]
sys.stdin.readline()
with open_history(parse({url!r}, "HIL_HISTORY", Path("/"))) as history:
    for n in range(int(sys.argv[2])):
        keep(history, "run-" + number, lines("board-" + number, f"scenario {{n}}", "pass"))
        print(n, flush=True)
"""


def writer(place: Place, number: int, count: int) -> subprocess.Popen[str]:
    url = place.shown if place.file is None else str(place.file)
    text = WRITER.format(tests=str(Path(__file__).parent), url=url)
    return subprocess.Popen(
        [sys.executable, "-c", text, str(number), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_several_processes_may_begin_and_write_one_history(place: Place) -> None:
    writers = [writer(place, number, 25) for number in range(3)]
    for one in writers:
        assert one.stdin is not None
        one.stdin.write("\n")  # all at once: each finds no database yet
        one.stdin.flush()
    for one in writers:
        _, errors = one.communicate(timeout=300)
        assert one.returncode == 0, errors
    with open_history(place) as history, history.reading() as connection:
        assert [one.outcomes for one in counts(connection, newest(connection))] == [{"pass": 25}] * 3


def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    place = parse("history.sqlite", "--history", tmp_path)
    killed = writer(place, 1, 100_000)
    assert killed.stdin is not None
    assert killed.stdout is not None
    killed.stdin.write("\n")
    killed.stdin.flush()
    written = [int(killed.stdout.readline()) for _ in range(20)]
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=300)
    with open_history(place) as history, history.reading() as connection:
        titles = set(connection.execute(select(schema.scenarios.c.title)).scalars())
        (found,) = counts(connection, newest(connection))
    assert titles >= {f"scenario {n}" for n in written}
    assert sum(found.outcomes.values()) == len(titles)
    assert found.run.ended is None
    with sqlite3.connect(tmp_path / "history.sqlite") as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    with open_history(parse("h", "--history", tmp_path)) as history:
        keep(history, "run", lines("a", "x", "pass"))
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
        assert len(list(tmp_path.iterdir())) == 3  # with the write-ahead log and its index


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///proc/nowhere/h", r"^/proc/nowhere/h: .*No such file|Permission|Read-only"),
        ("sqlite:////etc/hostname", r"^/etc/hostname: .*not a database"),
        ("postgresql://u:geheim@127.0.0.1:1/x", r"^postgresql://u@127.0.0.1:1/x: .*; check that the server runs"),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_line(url: str, words: str, tmp_path: Path) -> None:
    if "etc" in url:
        (tmp_path / "no").write_text("no database at all, but long enough to be looked at by its first page" * 20)
        url, words = f"sqlite:///{tmp_path / 'no'}", words.replace("/etc/hostname", str(tmp_path / "no"))
    with pytest.raises(HistoryError, match=words) as caught:
        open_history(parse(url, "HIL_HISTORY", Path("/")))
    assert "\n" not in str(caught.value)
    assert "geheim" not in str(caught.value)
