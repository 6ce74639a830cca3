"""`hil history add` of runs that several workers, or several runs of pytest, have made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from histories import BEGIN, flattened, lines
from sqlalchemy import select

from hil.cli import main
from hil.history import schema
from hil.history.adding import NoRun, add
from hil.history.database import open_history
from hil.history.place import parse
from hil.history.runs import counts
from hil.history.window import newest, window


def put(folder: Path, tests: list[list[dict[str, Any]]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in flattened(tests)))


def say(folder: Path, began: float, *boards: str) -> None:
    """run.json of a bench with these boards; the chip of each tells which file it came from."""
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"format": 1, "began": began, "host": {"name": "pi-3"}, "versions": {"hil": "0.1"}}
    facts["rig"] = {"name": "lab", "boards": {name: {"mac": f"mac of {name}"} for name in boards}}
    facts["boards"] = {name: {"chip": f"{name} of {folder.name}", "contract": "reference"} for name in boards}
    (folder / "run.json").write_text(json.dumps(facts))


def a_parallel_run(folder: Path, began: float = BEGIN) -> Path:
    """Two workers with a board each; the second began first. The third was killed before it could say anything."""
    put(
        folder,
        [
            lines("a", "x", "pass", wall=began + 20, worker="gw0"),
            lines("b", "x", "FAIL", wall=began + 10, worker="gw1"),
            lines("b", "y", "pass", wall=began + 30, worker="gw1"),
        ],
    )
    say(folder / "workers" / "gw0", began + 2, "a")
    say(folder / "workers" / "gw1", began + 1, "b")
    (folder / "workers" / "gw2").mkdir()
    return folder


def a_night(folder: Path) -> Path:
    """Two parts, of which the second was made by two workers; it was killed before its parts were gathered."""
    put(folder / "parts" / "01-flash", [lines("a", "x", "pass", wall=BEGIN + 5)])
    say(folder / "parts" / "01-flash", BEGIN + 1, "a")
    a_parallel_run(folder / "parts" / "02-scenarios", BEGIN + 100)
    (folder / "night.jsonl").write_text("{}\n")
    return folder


def kept(tmp_path: Path) -> Any:
    return open_history(parse("h.sqlite", "", tmp_path))


def test_a_run_of_several_workers_is_one_run_with_the_boards_of_all(tmp_path: Path) -> None:
    folder = a_parallel_run(tmp_path / "run")
    with kept(tmp_path) as history:
        for _ in range(2):  # again: nothing changes
            assert add(history, folder) == "3 results"
        with history.reading() as connection:
            (found,) = counts(connection, newest(connection))
            boards = {row.name: (row.chip, row.mac) for row in connection.execute(select(schema.boards))}
    assert (found.run.rig, found.run.host, found.run.program) == ("lab", "pi-3", "hil 0.1")
    assert (found.run.began, found.run.ended) == (BEGIN + 1, BEGIN + 30)
    assert found.outcomes == {"pass": 2, "FAIL": 1}
    assert boards == {"a": ("a of gw0", "mac of a"), "b": ("b of gw1", "mac of b")}


def test_what_the_run_itself_says_goes_before_its_workers(tmp_path: Path) -> None:
    folder = a_parallel_run(tmp_path / "run")
    say(folder, BEGIN, "a", "b")
    with kept(tmp_path) as history:
        add(history, folder)
        with history.reading() as connection:
            assert newest(connection)[0].began == BEGIN
            assert {board.chip for board in window(connection).boards.values()} == {"a of run", "b of run"}


def test_without_any_run_json_a_run_is_dated_by_its_first_result(tmp_path: Path) -> None:
    folder = a_parallel_run(tmp_path / "run")
    for worker in ("gw0", "gw1"):
        (folder / "workers" / worker / "run.json").unlink()
    with kept(tmp_path) as history:
        add(history, folder)
        with history.reading() as connection:
            (run,) = newest(connection)
    assert (run.rig, run.host, run.began) == ("?", "?", BEGIN + 20)


@pytest.mark.parametrize(
    "part",
    [
        "run/workers/gw0",
        "run/workers/gw2",
        "night/parts/01-flash",
        "night/parts/02-scenarios",
        "night/parts/02-scenarios/workers/gw1",
        "night/workers/02-scenarios.gw1",
    ],
)
def test_a_part_of_a_run_is_refused_with_the_folder_of_the_whole(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    a_parallel_run(tmp_path / "run")
    night = a_night(tmp_path / "night")
    (night / "workers").mkdir()
    (night / "workers" / "02-scenarios.gw1").symlink_to(Path("../parts/02-scenarios/workers/gw1"))
    put(tmp_path / part, [lines("a", "x", "pass")])  # also where it has results of its own
    assert main(["history", "add", part, "--history", "h.sqlite"]) == 1
    whole = tmp_path / part.split("/")[0]
    told = capsys.readouterr().err
    assert f"{part}: only a part of the run in {whole}, whose results would be counted twice; add that folder" in told
    assert not (tmp_path / part / "history.key").exists()


def test_a_night_that_was_killed_is_brought_in_from_its_parts(tmp_path: Path) -> None:
    night = a_night(tmp_path / "night")
    with kept(tmp_path) as history:
        assert add(history, night) == "3 results", "the first part's scenario ran again in the second"
        with history.reading() as connection:
            (found,) = counts(connection, newest(connection))
        assert (found.run.began, found.run.ended) == (BEGIN + 1, BEGIN + 130)
        put(night, [lines("a", "x", "pass", wall=BEGIN + 5), lines("c", "z", "pass", wall=BEGIN + 500)])
        assert add(history, night) == "2 results", "what was gathered is the whole"
        with history.reading() as connection:
            assert len(newest(connection)) == 1


def test_a_run_below_a_folder_that_happens_to_be_called_workers_is_a_run(tmp_path: Path) -> None:
    folder = a_parallel_run(tmp_path / "workers" / "20261127-020000")
    with kept(tmp_path) as history:
        assert add(history, folder) == "3 results"


def test_a_damaged_run_json_of_a_worker_is_told_with_its_path(tmp_path: Path) -> None:
    folder = a_parallel_run(tmp_path / "run")
    (folder / "workers" / "gw1" / "run.json").write_text("{")
    with kept(tmp_path) as history:
        with pytest.raises(NoRun, match=r"workers/gw1/run\.json: not JSON .*; delete it to do without"):
            add(history, folder)
        (folder / "workers" / "gw1" / "run.json").unlink()
        assert add(history, folder) == "3 results"


def test_a_copy_of_a_run_is_the_same_run(tmp_path: Path) -> None:
    folder = a_parallel_run(tmp_path / "run")
    with kept(tmp_path) as history:
        add(history, folder)
        shutil.copytree(folder, tmp_path / "copy")
        add(history, tmp_path / "copy")
        with history.reading() as connection:
            assert len(newest(connection)) == 1
