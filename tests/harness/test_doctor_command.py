"""`hil doctor` as a person and a program read it, and its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_host import CONTRACT

from hil.cli import main
from hil.doctor import CHECKS, markdown

ROOT = Path(__file__).parents[2]
BROKEN = f"""name = "x"
[time_server]
bind = "203.0.113.9"
[boards.kit]
port = "/dev/serial/by-id/nothing"
wifi = {{ ssid = "net" }}
contract = "{CONTRACT}"
"""


@pytest.fixture
def rig(tmp_path: Path) -> str:
    (tmp_path / "rig.toml").write_text(BROKEN)
    return str(tmp_path / "rig.toml")


def test_the_page_lists_every_check_with_its_cure() -> None:
    assert markdown() in (ROOT / "docs" / "doctor.md").read_text()
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_what_is_well_takes_one_line(rig: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--rig", rig]) == 1
    short = capsys.readouterr().out.split("\n")
    well = [line for line in short if line.startswith("ok")]
    assert len(well) == 1
    assert "esptool" in well[0]
    assert len(short) < 24, "one screen"
    assert main(["doctor", "--rig", rig, "--all"]) == 1
    every = capsys.readouterr().out.split("\n")
    assert len([line for line in every if line.startswith("ok")]) > 5
    assert [line for line in short if "FAULT" in line] == [line for line in every if "FAULT" in line]


def test_json_says_all_that_the_screen_does(rig: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--rig", rig, "--all"]) == 1
    screen = capsys.readouterr().out
    assert main(["doctor", "--rig", rig, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["rig"] == "x"
    assert told["faults"] == screen.count("FAULT ")
    assert told["notes"] == screen.count("note ")
    for finding in told["findings"]:
        if finding["about"] == "clock":
            continue  # the minute may be another
        assert f"{finding['about']}: {finding['found']}" in screen
        assert finding["cure"] in screen
        assert finding["check"] in {check.name for check in CHECKS}
        assert finding["cure"] or finding["level"] == "ok"


def test_looking_leaves_nothing_behind(rig: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--rig", rig])
    assert [path.name for path in tmp_path.iterdir()] == ["rig.toml"]
