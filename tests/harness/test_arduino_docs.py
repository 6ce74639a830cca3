"""The rig in docs/arduino.md is a rig, and the page's tables say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from hil.flash.avrdude import BOARDS
from hil.flash.kinds import ArduinoCliFlasher, AvrdudeFlasher, BossacFlasher, Uf2Flasher
from hil.rig import load
from hil.toml import FileError, Strict

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/arduino.md").read_text()


def test_the_rig_of_the_page_loads(tmp_path: Path) -> None:
    (found,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "contracts").symlink_to(ROOT / "rigs/contracts")
    file = tmp_path / "rig.toml"
    file.write_text(found)
    boards = load(file).boards
    assert {name: board.config.flasher.kind for name, board in boards.items() if board.config.flasher} == {
        "uno-a": "avrdude",
        "nano-a": "avrdude",
        "mkr-a": "bossac",
        "pico-a": "uf2",
        "any-a": "arduino-cli",
    }
    by_dtr = {name for name, board in boards.items() if board.config.resets_by_dtr}
    assert by_dtr == {"uno-a", "nano-a", "any-a"}


def test_each_board_is_on_the_page_with_its_part_and_rates() -> None:
    for name, target in BOARDS.items():
        rates = ", then ".join(str(baud) for baud in target.bauds)
        assert f"| `{name}` | {target.part} | {target.programmer} | {rates} |" in PAGE


@pytest.mark.parametrize("model", [AvrdudeFlasher, ArduinoCliFlasher, BossacFlasher, Uf2Flasher])
def test_each_key_is_on_the_page_with_its_default(model: type[Strict]) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    for key, field in model.model_fields.items():
        value = {True: "true", False: "false"}.get(field.default, field.default)
        said = f"{value:g}" if isinstance(value, float) else str(value)
        of_key = [row for row in rows if f"`{key}`" in row.split("|")[1]]
        if key == "offset":
            said = f"{field.default:#x}"
        assert key == "kind" or of_key, key
        if key != "kind" and field.default not in (None, "", PydanticUndefined):
            assert any(said in row.split("|")[2] for row in of_key), (key, said)


@pytest.mark.parametrize(
    ("flasher", "why"),
    [
        ('{ kind = "uf2" }', "found neither drive nor board_id"),
        ('{ kind = "arduino-cli", fqbn = "uno" }', "flasher"),
        ('{ kind = "arduino-cli" }', "fqbn"),
        ('{ kind = "avrdude", baud = "fast" }', "baud"),
        ('{ kind = "dfu" }', "flasher"),
    ],
)
def test_a_flasher_that_cannot_be_is_named(tmp_path: Path, flasher: str, why: str) -> None:
    (tmp_path / "contracts").symlink_to(ROOT / "rigs/contracts")
    file = tmp_path / "rig.toml"
    file.write_text(f'name = "x"\n[boards.a]\nport = "/dev/x"\ncontract = "contracts/uno.toml"\nflasher = {flasher}\n')
    with pytest.raises(FileError, match=f"boards.a.flasher.*{why}|boards.a.*{why}"):
        load(file)
