"""The rig in docs/arduino.md is a rig, and the page's tables say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from hil.flash.avrdude import BOARDS
from hil.flash.kinds import AvrdudeFlasher
from hil.rig import load

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
    }
    assert all(board.config.resets_by_dtr for board in boards.values())


def test_each_board_is_on_the_page_with_its_part_and_rates() -> None:
    for name, target in BOARDS.items():
        rates = ", then ".join(str(baud) for baud in target.bauds)
        assert f"| `{name}` | {target.part} | {target.programmer} | {rates} |" in PAGE


def test_each_key_is_on_the_page() -> None:
    for key in AvrdudeFlasher.model_fields:
        assert f"`{key}`" in PAGE or key == "kind"
