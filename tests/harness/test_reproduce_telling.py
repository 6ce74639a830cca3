"""What a person sees while trials run, and after a Ctrl-C: at once, in lines that fit, and without a traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hil import cli
from hil.cli import main
from hil.reproduce import Outcome, Trial, actions
from hil.reproduce.running import BenchRunner
from hil.reproduce.telling import teller


class Interrupted:
    """A runner that is interrupted after so many trials."""

    trials = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Interrupted:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, case: Any, **_: Any) -> Iterator[Trial]:
        for number in range(self.trials):
            yield Trial(number + 1, "a", "1", Outcome.PASSED, 2.0, "online for 2 s")
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("trials", "code", "said"),
    [
        (0, 130, ["interrupted before the first trial ended"]),
        (2, 1, ["[ 1/50] a  passed        2.00 s  online for 2 s", "interrupted after 2 of 50 trials; so far:"]),
    ],
)
def test_after_a_ctrl_c_what_is_known_is_said_to_be_no_more(
    trials: int,
    code: int,
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(actions, "BenchRunner", Interrupted)
    monkeypatch.setattr(Interrupted, "trials", trials)
    run = str(tmp_path / "run")
    assert main(["reproduce", "field/no-time", "--board", "esp32-a", "--times", "50", "--run", run]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "no-time: 50 trials on esp32-a, once the bench is open and the firmware written"
    assert [line for line in lines if line in said] == said


def test_a_ctrl_c_while_modules_are_loaded_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_main", interrupted)
    assert main(["boards"]) == 130


def test_a_folder_is_one_from_here_whatever_a_contract_takes_its_paths_from() -> None:
    runner = BenchRunner(cast(Any, None), [], folder=Path("runs/new"))
    assert runner.folder == Path.cwd() / "runs" / "new"


def test_a_line_fits_the_terminal_and_is_whole_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    line = "x" * 300
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((80, 24)))
    for stream, length in ((Terminal(), 80), (io.StringIO(), 300)):
        monkeypatch.setattr(sys, "stderr", stream)
        teller(as_json=True)(line)
        assert len(stream.getvalue().rstrip("\n")) == length


@pytest.mark.parametrize(
    ("command", "option"), [("reproduce", "--run"), ("bisect", "-o"), ("shrink", "-o"), ("shrink", "--run")]
)
def test_a_folder_that_cannot_be_made_is_one_line_before_the_first_trial(
    command: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    images = [tmp_path / f"{number}.bin" for number in range(2)]
    for image in images:
        image.write_text(image.name)
    more = {"bisect": ["--firmware", *map(str, images)], "shrink": ["--to", str(tmp_path / "smaller")]}.get(command, [])
    rig = str(Path(__file__).parents[2] / "rigs" / "virtual.toml")
    given = [command, "field/will-topic", "--rig", rig, *more, option, str(file / "there")]
    assert main(given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"hil: {file}")
    assert line.endswith("check the path and its mode")
