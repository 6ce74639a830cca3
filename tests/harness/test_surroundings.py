"""What a board finds around it, taken away: the switch of a real access point, as a rig names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import rig as rigs
from hil.bench import Bench, BenchError
from hil.guardian import making_safe, supply
from hil.guardian.guardian import Watch
from hil.parts.board import make_access_point
from hil.power.none import NoSwitch
from hil.surroundings import WIFI_LOSS, loss
from hil.timeline import Timeline, where
from hil.toml import FileError

ROOT = Path(__file__).parents[2]


def rig(folder: Path, line: str, port: str = 'port = "/dev/serial/by-id/none"') -> rigs.Rig:
    contract = ROOT / "rigs" / "contracts" / "reference.toml"
    text = f'name = "air"\n[boards.a]\n{port}\nwifi = {{ ssid = "net" }}\ncontract = "{contract}"\n{line}\n'
    (folder / "rig.toml").write_text(text)
    return rigs.load(folder / "rig.toml")


def test_the_access_point_of_a_real_board_is_switched(tmp_path: Path) -> None:
    said = tmp_path / "said"
    found = rig(
        tmp_path, f'access_point = {{ kind = "command", on = "echo on >> {said}", off = "echo off >> {said}" }}'
    )
    switch = make_access_point(found, found.boards["a"], NoSwitch(board="a"))
    assert switch is not None
    timeline = Timeline()
    (cut,) = loss(WIFI_LOSS, "a", switch, timeline, off=0.01).run(timeout=60)
    assert said.read_text() == "off\non\n"
    assert cut.without is not None
    assert timeline.events(where("power", "fault", "a", name="wifi-loss", state="restored"))
    assert not timeline.events(where("power", "off")), "its supply is not cut, and nobody is told so"


def test_a_run_that_dies_leaves_the_access_point_on(tmp_path: Path) -> None:
    said = tmp_path / "said"
    switch = f'{{ kind = "command", on = "echo on >> {said}", off = "echo off >> {said}" }}'
    duty = supply.access_point(rig(tmp_path, f"access_point = {switch}"), "a")
    assert duty is not None
    outcomes = supply.switch([duty], "a mark", 60)
    assert [outcome.words for outcome in outcomes] == ["the access point of a on"]
    assert said.read_text() == "on\n"
    assert making_safe._switched(outcomes) == [], "it is no board, and has no power on the timeline"
    assert supply.access_point(rig(tmp_path, f"power = {switch}"), "a") is None


def test_a_bench_tells_its_guardian_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_LOCKS", str(tmp_path / "locks"))
    told = []
    monkeypatch.setattr(Watch, "power", lambda _, duty: told.append(duty))
    found = rig(tmp_path, 'access_point = { kind = "command", on = "true", off = "false" }')
    with pytest.raises(BenchError, match="none"), Bench(found, artifacts=tmp_path / "run", boards=["a"]):
        pass
    assert [duty["boards"] for duty in told if duty is not None] == [["the access point of a"]]


def test_without_one_there_is_none(tmp_path: Path) -> None:
    found = rig(tmp_path, "")
    assert make_access_point(found, found.boards["a"], NoSwitch(board="a")) is None


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ('access_point = { kind = "command", on = "x", off = "y" }', 'virtual = "esp32"'),
        ('access_point = { kind = "none" }', 'port = "/dev/x"'),
    ],
)
def test_a_table_that_switches_nothing_is_a_fault(tmp_path: Path, line: str, port: str) -> None:
    with pytest.raises(FileError, match="found access_point, expected it on a real board only"):
        rig(tmp_path, line, port)
