"""A bench with a virtual Uno, end to end: the real avrdude, optiboot and a real sketch, on an emulated chip."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from hil import needs, virtual_board
from hil.bench import Bench
from hil.board import Board
from hil.console import Console
from hil.power.control_port import VirtualSwitch
from hil.rig import load
from hil.timeline import Timeline
from hil.virtual.uno import build

RIG = Path(__file__).parents[2] / "rigs/virtual-uno.toml"
LONG = 60.0  # seconds; what is waited for comes within two on a machine that is not busy

LACKING = [*build.missing(), *([] if shutil.which("avrdude") else ["avrdude"])]
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("uno")
    with Bench(load(RIG), artifacts=folder / "run", state=folder / "state", broker_side=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def board(bench: Bench) -> Board:
    """Flashed, and running."""
    opened = bench.boards["uno-a"]
    assert opened.flash().written > 7000
    listens(opened)
    return opened


def listens(board: Board) -> None:
    """Wait until the sketch runs after the last start: the bootloader would take what is sent before that.

    Its first lines are not enough, as those of the start before may still be under way. Telemetry comes a second later.
    """
    next_boot(board, board.started())
    board.console.expect('"topic":"telemetry"', LONG, after=board.console.mark())


def ask(board: Board, command: str, answer: str) -> dict[str, Any]:
    """What the sketch answers to a command."""
    mark = board.console.mark()
    board.console.send_line(command)
    seen = board.console.expect(re.compile(rf'\{{"topic":"answer".*"do":"{answer}".*\}}'), LONG, after=mark)
    found: dict[str, Any] = json.loads(seen.text)
    return found


def next_boot(board: Board, position: int) -> str:
    """The reset cause of the next start after `position` on the timeline."""
    event = board.timeline.wait(
        lambda e: (e.source, e.kind, e.board) == ("board", "boot", board.name), timeout=LONG, after=position
    )
    return str(event["name"])


def started_by(board: Board, act: Any) -> str:
    """The reset cause that the board tells after `act`, once it listens again."""
    position, mark = board.timeline.mark(), board.console.mark()
    act()
    name = next_boot(board, position)
    board.console.expect('"topic":"boot"', LONG, after=mark)
    return name


def test_each_reset_has_its_cause_and_ram_goes_with_the_power(board: Board) -> None:
    assert started_by(board, board.hard_reset) == "external"
    assert started_by(board, board.power_cycle) == "power-on"
    assert started_by(board, lambda: board.console.send_line("hang")) == "watchdog"
    assert started_by(board, board.soft_reset) == "watchdog"


def test_the_chip_itself_saw_those_flags(bench: Bench, board: Board) -> None:
    assert isinstance(board.power, VirtualSwitch)
    started_by(board, board.power_cycle)
    assert board.power.order("state")["causes"][-1] == "PORF"
    started_by(board, board.hard_reset)
    # Optiboot clears MCUSR, waits for a flasher, and starts the sketch by its watchdog.
    assert board.power.order("state")["causes"][-2:] == ["EXTRF", "WDRF"]


def test_settings_in_eeprom_outlive_the_power_and_ids_come_back(board: Board) -> None:
    before = ask(board, "status", "status")
    answer = ask(board, '{"do":"set","key":"name","value":"kept","id":"n-1"}', "set")
    assert (answer["ok"], answer["id"]) == (True, "n-1")
    started_by(board, board.power_cycle)
    after = ask(board, "status", "status")
    assert after["name"] == "kept"
    assert after["boots"] == before["boots"] + 1


def test_bad_commands_are_answered_and_change_nothing(board: Board) -> None:
    before = ask(board, "get", "get")
    assert ask(board, "set interval 70000", "set")["ok"] is False
    assert ask(board, "set name seventeen-letters", "set")["ok"] is False
    assert ask(board, "jump", "jump")["ok"] is False
    mark = board.console.mark()
    board.console.send_line("x" * 300)
    board.console.expect("line too long", LONG, after=mark)
    after = ask(board, "get", "get")
    assert (after["name"], after["interval"]) == (before["name"], before["interval"])


def test_telemetry_is_one_json_object_a_line_in_order(board: Board) -> None:
    ask(board, "set interval 20", "set")
    mark = board.console.mark()
    seen = [
        json.loads(
            board.console.expect(re.compile(r'\{"topic":"telemetry".*\}'), LONG, after=mark if n == 0 else None).text
        )
        for n in range(3)
    ]
    ask(board, "set interval 1000", "set")
    assert [m["seq"] for m in seen] == [seen[0]["seq"] + n for n in range(3)]
    assert seen[0]["ms"] < seen[1]["ms"] < seen[2]["ms"]
    assert 0 < seen[0]["free"] < 2048


def test_what_is_flashed_is_not_flashed_again_and_can_be_read(board: Board) -> None:
    again = board.flash()
    assert again.written == 0
    assert again.skipped > 7000
    flash = board.flasher.read(0, 32768)
    assert board.flasher.holds(0x100, flash[0x100:0x200])
    assert not board.flasher.holds(0x100, bytes(0x100))
    listens(board)
    assert b"hil-uno " in flash[: build.BOOT]
    assert flash[build.BOOT :] == build.bootloader()


def test_scenarios_are_not_applicable_without_a_way_to_the_broker(bench: Bench, board: Board) -> None:
    alone = replace(board, contract=board.contract.model_copy(update={"link": None}))
    assert "no network of its own" in str(needs.speaks(bench, alone))


def test_a_board_that_is_killed_leaves_no_process_and_loses_nothing(bench: Bench, board: Board, tmp_path: Path) -> None:
    started_by(board, board.power_cycle)  # whatever was done to it before, it listens now
    ask(board, "set name survivor", "set")
    state = next(bench.artifacts.parent.glob("state"))
    for kind in ("flash", "eeprom"):
        shutil.copy(state / f"{board.name}.{kind}", tmp_path / f"b.{kind}")
    first = virtual_board.start("b", kind="uno", chip="", speed=1, folder=tmp_path)
    assert first.process is not None
    (simulated,) = psutil.Process(first.process.pid).children()
    VirtualSwitch(first.control, first.token, board="b").on()
    first.process.kill()
    first.process.wait()
    psutil.wait_procs([simulated], timeout=LONG)
    assert not simulated.is_running()
    (tmp_path / "b.json").unlink()
    second = virtual_board.start("b", kind="uno", chip="", speed=1, folder=tmp_path)
    try:
        with Console(Timeline(), "b", second.serial) as console:
            VirtualSwitch(second.control, second.token, board="b").on()
            console.expect('"name":"survivor"', LONG)
    finally:
        second.close()


def test_hil_link_carries_the_lines_of_a_board_that_runs_already(bench: Bench, board: Board, tmp_path: Path) -> None:
    board.power_off()  # another board stands for it here, and each that runs takes a processor
    state = tmp_path / "artifacts" / "state"
    state.mkdir(parents=True)
    shutil.copy(bench.artifacts.parent / "state" / f"{board.name}.flash", state)
    rig = tmp_path / "rig.toml"
    rig.write_text(
        RIG.read_text()
        .replace('"../artifacts"', f'"{tmp_path}/artifacts"')
        .replace('"contracts/', f'"{RIG.parent}/contracts/')
    )
    standing = virtual_board.start(board.name, kind="uno", chip="", speed=1, folder=state)
    carried = None
    try:
        VirtualSwitch(standing.control, standing.token, board=board.name).on()
        carried = subprocess.Popen(
            [sys.executable, "-m", "hil.cli", "link", "--rig", str(rig), "--reset"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert carried.stdout is not None
        # It tells of its start, which is the reset's, and so says again what it subscribes to.
        shown = next(line for line in carried.stdout if "/boot" in line)
        assert '"reset":"EXTRF"' in shown
        carried.send_signal(signal.SIGINT)
        assert carried.wait(LONG) == 130
    finally:
        if carried is not None:
            carried.kill()
            carried.wait()
        standing.close()
        board.power_on()
