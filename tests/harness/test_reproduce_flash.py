"""Firmware is written once for many trials, and again wherever the flash may hold something else by now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.cases import Case, load
from hil.cases.applying import put_firmware
from hil.cases.finding import find
from hil.flash import FlashError, FlashResult
from hil.flash.fingerprint import fingerprint
from hil.flash.held import held, holds, spans_settings
from hil.reproduce import Outcome, Trial, running
from hil.timeline import Timeline
from hil.wire import partitions


class MadeUpFlasher:
    """Notes what it writes; `breaks` is called in the middle of it."""

    tool = "made up"

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.written: list[str] = []
        self.breaks: Callable[[], None] = lambda: None

    def session(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()

    def flash(self, images: Any, **how: Any) -> FlashResult:
        self.timeline.record("flash", "start", "a", tool=self.tool)
        self.written.append(images[-1].path.read_text()[:8])
        self.breaks()
        return FlashResult(0.0, 1, 0)

    def erase(self) -> None:
        self.timeline.record("flash", "erase", "a")


class MadeUpBench:
    """One real board, on a flasher that is none."""

    def __init__(self, *_: Any, artifacts: Path, **__: Any) -> None:
        artifacts.mkdir(parents=True, exist_ok=True)
        own = artifacts / "own.bin"
        own.write_text("the rig's")
        self.timeline = Timeline()
        self.flasher = MadeUpFlasher(self.timeline)
        fields: dict[str, Any] = dict.fromkeys(("config", "console", "names", "credentials"))
        fields["contract"] = SimpleNamespace(
            settings_in_firmware=False, secret_settings=list, settings=lambda names: []
        )
        fields["power"] = SimpleNamespace(can_cut=False)
        fields["firmware"] = SimpleNamespace(images=[running.Image(0x10000, own)])
        fields["names"] = {}
        provisioner = SimpleNamespace(in_flash=True, provision=self._provision)
        board = Board("a", timeline=self.timeline, flasher=cast(Any, self.flasher), provisioner=provisioner, **fields)
        self.boards = {"a": board}

    def _provision(self, values: Any, secret: Any) -> None:
        for kind in ("start", "done"):
            self.timeline.record("provision", kind, "a")

    def make_ready(self, board: Board) -> None:
        Bench._write(cast(Any, self), board)

    def close(self) -> None:
        pass


def one_trial(case: Case, bench: MadeUpBench, boards: list[Board], *, first: int, **_: Any) -> Iterator[Trial]:
    bench.make_ready(boards[0])
    yield Trial(first, "a", "", Outcome.PASSED, 0.0, "")


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> running.BenchRunner:
    monkeypatch.setattr(running, "Bench", MadeUpBench)
    monkeypatch.setattr(running, "trials", one_trial)
    monkeypatch.setattr(running, "note", lambda *_: None)
    return running.BenchRunner(cast(Any, None), ["a"], folder=tmp_path / "run")


@pytest.fixture
def cases(tmp_path: Path) -> dict[str, Case]:
    made = {}
    for version in ("1.4.1", "1.4.2"):
        image = tmp_path / f"{version}.bin"
        image.write_text(version)
        made[version] = load(find("field/missing-intermediate")).with_firmware(image, version=version)
    return made


def tried(runner: running.BenchRunner, *cases: Case) -> list[str]:
    """What was written for one trial of each of these cases."""
    bench = cast(Any, runner.bench)
    before = 0 if bench is None else len(bench.flasher.written)
    for case in cases:
        list(runner(case, times=1))
    return list(cast(Any, runner.bench).flasher.written[before:])


def test_fifty_trials_write_it_once(runner: running.BenchRunner, cases: dict[str, Case]) -> None:
    assert tried(runner, *[cases["1.4.1"]] * 50) == ["1.4.1"]
    assert tried(runner, cases["1.4.2"], cases["1.4.2"], cases["1.4.1"], cases["1.4.1"]) == ["1.4.2", "1.4.1"]
    own = load(find("field/missing-intermediate"))
    assert tried(runner, own, own) == ["the rig'"]


def test_an_image_that_is_built_anew_is_written_anew(runner: running.BenchRunner, cases: dict[str, Case]) -> None:
    case = cases["1.4.1"]
    tried(runner, case)
    case.resolve(str(case.firmware.image)).write_text("1.4.1-b")
    assert tried(runner, case, case) == ["1.4.1-b"]


def test_what_may_have_changed_the_flash_has_it_written_again(
    runner: running.BenchRunner, cases: dict[str, Case]
) -> None:
    case = cases["1.4.1"]
    tried(runner, case)
    bench = cast(Any, runner.bench)
    board, timeline = bench.boards["a"], bench.timeline
    changes: list[Callable[[], object]] = [
        bench.flasher.erase,
        lambda: timeline.record("flash", "write", "a", offset=0x10000, bytes=4096),
        lambda: timeline.record("flash", "failed", "a", reason="the power failed"),
        lambda: timeline.record("flash", "start", "a"),
        lambda: timeline.record("provision", "start", "a"),
        lambda: timeline.record("provision", "failed", "a"),
        lambda: board.provision(settings={}) or setattr(board, "as_agreed", False),
    ]
    for change in changes:
        change()
        assert tried(runner, case, case) == ["1.4.1"]
    timeline.record("flash", "erase", "another")
    assert tried(runner, case) == []


def test_a_write_that_is_broken_off_leaves_nothing_known(runner: running.BenchRunner, cases: dict[str, Case]) -> None:
    case = cases["1.4.1"]
    tried(runner, case)
    bench = cast(Any, runner.bench)

    def fails() -> None:
        raise FlashError("the power failed")

    bench.flasher.breaks = fails
    with pytest.raises(FlashError):
        tried(runner, cases["1.4.2"])
    assert not bench.boards["a"].flashed
    bench.flasher.breaks = lambda: None
    assert tried(runner, case) == ["1.4.1"]


def test_images_that_change_while_they_are_written_are_no_known_firmware(
    runner: running.BenchRunner, cases: dict[str, Case]
) -> None:
    tried(runner, cases["1.4.1"])
    bench, case = cast(Any, runner.bench), cases["1.4.2"]
    bench.flasher.breaks = lambda: case.resolve(str(case.firmware.image)).write_text("built anew")
    with pytest.raises(FlashError, match="board a: its images changed while they were written; flash it again"):
        tried(runner, case)
    assert held(bench.timeline, "a") is None


def test_what_a_provisioner_writes_leaves_the_images_alone(tmp_path: Path) -> None:
    timeline, image = Timeline(), tmp_path / "app.bin"
    image.write_bytes(b"app")
    images = [running.Image(0x10000, image)]
    assert not holds(timeline, "a", images)
    timeline.record("flash", "firmware", "a", **fingerprint(images))
    for source, kind in (("provision", "start"), ("flash", "write"), ("provision", "done")):
        timeline.record(source, kind, "a")
    assert holds(timeline, "a", images)
    image.unlink()
    assert not holds(timeline, "a", images)


def test_an_image_of_the_whole_flash_takes_the_settings_with_it(
    runner: running.BenchRunner, cases: dict[str, Case], tmp_path: Path
) -> None:
    merged, app = tmp_path / "merged.bin", tmp_path / "app.bin"
    merged.write_bytes(bytes(0x10010))
    app.write_bytes(bytes(0x1000))
    assert spans_settings([running.Image(0, merged)])
    assert not spans_settings([running.Image(0x1000, app), running.Image(0x8000, app), running.Image(0x10000, merged)])
    tried(runner, cases["1.4.1"])
    board = cast(Any, runner.bench).boards["a"]
    board.firmware.images = [running.Image(0, merged)]
    board.flash()
    assert not board.as_agreed


def test_one_file_is_the_app_or_the_whole_flash(cases: dict[str, Case], tmp_path: Path) -> None:
    """As `esptool merge-bin` makes them: with a partition table where the chip looks for it."""
    own = [running.Image(offset, tmp_path / name) for offset, name in ((0x1000, "bootloader.bin"), (0x10000, "a.bin"))]
    board = cast(Any, SimpleNamespace(name="a", firmware=SimpleNamespace(images=list(own)), flashed=True))
    case = cases["1.4.1"]
    image = case.resolve(str(case.firmware.image))
    put_firmware(case, board)
    assert board.firmware.images == [own[0], running.Image(0x10000, image)]
    image.write_bytes(b"\xff" * 0x8000 + partitions.build([partitions.Partition("nvs", 1, 2, 0x9000, 0x5000)]))
    put_firmware(case, board)
    assert board.firmware.images == [running.Image(0, image)]
    board.firmware.images = own[1:]
    put_firmware(case, board)
    assert board.firmware.images == [running.Image(0x10000, image)]
