"""What several workers leave behind lies in one folder, under the names of boards."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.cli import main
from hil.run_folder import NoRun, make_room, merge, timeline_of, worker_folder
from hil.timeline import Timeline, load


def leave(run: Path, worker: str, *boards: str) -> None:
    """What a worker with these boards leaves behind."""
    folder = worker_folder(run, worker)
    timeline = Timeline(folder / "timeline.jsonl")
    for board in boards:
        timeline.record("power", "on", board, switch="none")
        (folder / f"{board}.console.log").write_text(f"{board} on {worker}\n")
    timeline.close()
    (folder / "broker").mkdir()
    (folder / "broker" / "mosquitto.log").write_text(f"broker of {worker}\n")


def test_logs_lie_under_the_names_of_their_boards(tmp_path: Path) -> None:
    leave(tmp_path, "gw0", "kit.1")
    leave(tmp_path, "gw10", "twin")
    leave(tmp_path, "gw2", "twin")
    made = merge(tmp_path)
    assert made.timeline.workers == ("gw0", "gw2", "gw10")
    assert {path.name: path.read_text() for path in made.logs} == {
        "kit.1.console.log": "kit.1 on gw0\n",
        "twin.gw2.console.log": "twin on gw2\n",
        "twin.gw10.console.log": "twin on gw10\n",
        "mosquitto.gw0.log": "broker of gw0\n",
        "mosquitto.gw2.log": "broker of gw2\n",
        "mosquitto.gw10.log": "broker of gw10\n",
    }
    assert all(path.parent == tmp_path for path in made.logs)
    assert (tmp_path / "kit.1.console.log").samefile(worker_folder(tmp_path, "gw0") / "kit.1.console.log")
    assert merge(tmp_path) == made


def test_a_killed_run_is_merged_by_whoever_looks_at_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(tmp_path, "gw0", "a")
    with (worker_folder(tmp_path, "gw0") / "timeline.jsonl").open("a") as file:
        file.write('{"sequence":1')
    assert main(["diagnose", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "nothing looks wrong with a" in told.out
    assert "its last line was cut off" in told.err
    assert timeline_of(tmp_path) == (tmp_path / "timeline.jsonl", None)
    assert len(load(tmp_path / "timeline.jsonl")) == 1


def test_hil_merge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(tmp_path, "gw0", "a")
    leave(tmp_path, "gw1", "b")
    assert main(["merge", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'timeline.jsonl'}: 2 events of gw0, gw1\n"
    assert main(["merge", str(tmp_path / "workers" / "gw0")]) == 1
    assert "expected the folder of a run with several workers" in capsys.readouterr().err


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoRun, match="expected the folder of a run"):
        timeline_of(tmp_path)


def test_what_an_earlier_run_left_is_set_aside(tmp_path: Path) -> None:
    for _ in range(2):
        make_room(tmp_path)
        leave(tmp_path, "gw0", "a")
        merge(tmp_path)
    make_room(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if "workers" in path.name or "timeline" in path.name) == [
        "timeline.1.jsonl",
        "timeline.2.jsonl",
        "workers.1",
        "workers.2",
    ]
