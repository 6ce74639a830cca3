"""Chips with an offset, an image format or a port of their own, on a bench: flashed, provisioned, online, reset.

`make chips` does it with one of each (rigs/virtual-chips.toml).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil import rig as rigs
from hil.bench import Bench
from hil.timeline import where
from hil.virtual.chips import CHIPS

ROOT = Path(__file__).parents[2]
# The name of the board is its chip's; what its port is; how its clock and its console show a hard reset.
BOARDS = {
    "esp8266": ("usb-uart", "reference-esp8266", None),
    "esp32s2": ("usb-otg", "reference", "USB-UART"),
    "esp32p4": ("usb-serial-jtag", "reference", "USB-UART"),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("chips")
    lines = ['name = "chips"']
    for chip, (wiring, contract, _) in BOARDS.items():
        lines += [f'[boards.{chip}]\nvirtual = "esp32"\nchip = "{chip}"\nspeed = 200\nwiring = "{wiring}"']
        lines += ['wifi = { ssid = "net" }', f'contract = "{ROOT}/rigs/contracts/{contract}.toml"']
    (folder / "rig.toml").write_text("\n".join(lines) + "\n")
    with Bench(rigs.load(folder / "rig.toml"), artifacts=folder / "run") as opened:
        for chip in BOARDS:
            opened.make_ready(opened.boards[chip])
        yield opened


@pytest.mark.parametrize("chip", BOARDS)
def test_it_comes_online_and_again_after_a_hard_reset(chip: str, bench: Bench) -> None:
    board, (wiring, _, cause) = bench.boards[chip], BOARDS[chip]
    assert board.console.wiring.name == wiring
    board.power_on()
    board.wait_online()
    mark = bench.timeline.mark()
    board.hard_reset()
    board.wait_online(after=mark)
    causes = [event["name"] for event in bench.timeline.events(where("board", "boot", chip), after=mark)]
    # The ESP8266's ROM says it at 74880 bit/s, which is noise at the firmware's speed.
    assert causes[-1:] == ([cause] if cause else [])


def test_the_rig_of_all_chips_has_all_of_them() -> None:
    rig = rigs.load(ROOT / "rigs" / "virtual-chips.toml")
    assert {board.config.chip for board in rig.boards.values()} == set(CHIPS)
    for board in rig.boards.values():
        chip = board.config.chip
        images = [image for image in board.contract.firmware.images if image.chips is None or chip in image.chips]
        assert images[0].offset == CHIPS[chip].bootloader_offset
        assert len(images) == (1 if chip == "esp8266" else 3)
