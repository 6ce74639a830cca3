"""A night tests one firmware: made once, kept for all its parts, and told apart from what is there when it goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hil import rig as rigs
from hil.firmware_given import with_firmware
from hil.nightly import journal
from hil.nightly.ending import leave
from hil.nightly.plan import now
from hil.rig import Rig
from tests.harness.made_up_nights import BOARDS, Killed, Lab, planned

RIG = """
name = "kept"
[boards.esp32-a]
virtual = "esp32"
contract = "contract.toml"
[boards.esp32c3-a]
virtual = "esp32"
contract = "contract.toml"
"""

CONTRACT = """
name = "kept"
retry = { kind = "constant", first = 1.0 }
provision = { method = "none" }
[firmware]
build = ["sh", "make.sh", "{contract_dir}", "{images}", "{board}"]
images = [
  { offset = 0x8000, file = "{images}/table.bin" },
  { offset = 0x10000, file = "{images}/app/app.bin" },
]
[mqtt]
client_id = "{board}"
keep_alive = 60
"""

MAKE = """
cd "$1" && mkdir -p "$2/app" && echo "$3" >> built.txt && cp table.bin "$2" && cp app.bin "$2/app"
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """With sources in `tmp_path` and a night in a folder of it; its second scenario kills it the first time."""
    for name, text in {"rig.toml": RIG, "contract.toml": CONTRACT, "make.sh": MAKE, "table.bin": "T"}.items():
        (tmp_path / name).write_text(text.replace('"make.sh"', f'"{tmp_path}/make.sh"'))
    (tmp_path / "app.bin").write_text("1")
    tests = [planned(name, board) for name in ("one", "two") for board in BOARDS]
    return Lab(tmp_path / "night", *tests, rig=rigs.load(tmp_path / "rig.toml"))


def firmware(lab: Lab, part: int) -> list[str]:
    """What a part was told."""
    return [option for option in lab.parts.options[part] if option.startswith("--firmware=")]


def images(lab: Lab, part: int) -> list[str]:
    """What a part on these options would flash the boards with, as the plugin reads them."""
    told = [option.removeprefix("--firmware=") for option in firmware(lab, part)]
    rig = with_firmware(rigs.load(lab.plan.rig.path), told)
    return [Path(image.file).read_text() for board in BOARDS for image in rig.boards[board].contract.firmware.images]


def test_it_is_built_once_and_every_part_has_it(lab: Lab) -> None:
    night = lab.night()
    assert night.code == 0
    assert (lab.plan.rig.path.parent / "built.txt").read_text().split() == list(BOARDS)
    assert len(lab.parts.options) == 2
    assert all(images(lab, part) == ["T", "1"] * 2 for part in (0, 1))
    (sha256,) = {record["sha256"] for record in journal.read(lab.folder) if record["what"] == "firmware"}
    assert night.firmware == [sha256[:12]]
    assert f", firmware {sha256[:12]}\n" in leave(lab.plan, night, notify=None, markdown=None)


def test_a_night_that_is_gone_on_with_keeps_its_firmware_and_says_that_there_is_another(lab: Lab) -> None:
    lab.parts.script = {"two": ["dies"]}
    with pytest.raises(Killed):
        lab.night()
    (lab.plan.rig.path.parent / "app.bin").write_text("2")
    night = lab.night()
    assert images(lab, 2) == ["T", "1"] * 2
    assert [line.split(":")[0] for line in night.notes] == list(BOARDS)
    screen = leave(lab.plan, night, notify=None, markdown=None)
    assert "Firmware (2):\n  esp32-a: its contract builds " in screen
    assert "--new tests the other one" in night.notes[0]


def test_one_that_goes_on_with_the_same_sources_says_nothing(lab: Lab) -> None:
    lab.parts.script = {"two": ["dies"]}
    with pytest.raises(Killed):
        lab.night()
    assert lab.night().notes == []
    (lab.plan.rig.path.parent / "app.bin").unlink()
    (note, _) = lab.night().notes
    assert "cannot be built any more (the build ended with 1: " in note


def test_what_is_given_is_kept_as_well(lab: Lab, tmp_path: Path) -> None:
    """Whoever builds into the same folder at night changes nothing."""
    given = tmp_path / "given"
    (given / "deep").mkdir(parents=True)
    (given / "table.bin").write_text("t")
    (given / "deep" / "app.bin").write_text("7")
    lab.plan = replace(lab.plan, firmware=(str(given),), rig=given_to(lab.plan.rig, given))
    lab.parts.script = {"two": ["dies"]}
    with pytest.raises(Killed):
        lab.night()
    (given / "deep" / "app.bin").write_text("8")
    assert lab.night().notes == []
    assert all(images(lab, part) == ["t", "7"] * 2 for part in (0, 1, 2))


def given_to(rig: Rig, path: Path) -> Rig:
    return with_firmware(rig, [str(path)])


def test_what_cannot_be_built_is_a_failure_and_the_other_boards_go_on(lab: Lab) -> None:
    make = lab.plan.rig.path.parent / "make.sh"
    make.write_text(f'[ "$3" = esp32-a ] && echo no such header && exit 3\n{MAKE}')
    night = lab.night()
    assert night.code == 1
    assert lab.parts.ran[0] == ("01-flash", ["flash esp32c3-a"])
    (error,) = [result for result in night.results if result.verdict == "ERROR"]
    assert (error.board, error.scenario) == ("esp32-a", "takes its firmware and its credentials")
    assert "the build ended with 3: " in str(error.phases[-1].failure)
    assert "no such header" in night.left_out["esp32-a"]
    make.write_text(MAKE)
    assert lab.night().code == 0


def test_firmware_that_is_gone_is_told(lab: Lab) -> None:
    lab.parts.script = {"two": ["dies"]}
    with pytest.raises(Killed):
        lab.night()
    for file in (lab.folder / "firmware" / "esp32-a").iterdir():
        file.unlink()
    night = lab.night()
    assert "is gone; begin another one with --new" in night.left_out["esp32-a"]


def test_the_deadline_ends_a_build(lab: Lab) -> None:
    (lab.plan.rig.path.parent / "make.sh").write_text("sleep 600\n")
    night = lab.night(deadline=now() + 1.0)
    assert (night.code, night.left_out, lab.parts.ran) == (4, {}, [])
