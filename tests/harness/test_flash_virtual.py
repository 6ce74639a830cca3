"""The real esptool on a virtual ESP32, over RFC 2217: what it writes is there, also after a power cut in mid-flash."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil import reset, virtual_board
from hil.console import Console
from hil.flash import FlashError, Image
from hil.flash.esptool import Esptool
from hil.flash.progress import ProgressBar
from hil.power.control_port import VirtualSwitch
from hil.timeline import Timeline, where

LONG = 60


@dataclass
class Bench:
    timeline: Timeline
    console: Console
    power: VirtualSwitch
    flasher: Esptool
    images: list[Image]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    folder = tmp_path_factory.mktemp("images")
    command = [sys.executable, "-m", "hil.virtual", "image", "--chip", "esp32", "--out", str(folder)]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [Image(entry["offset"], folder / Path(entry["file"]).name) for entry in listed]


@pytest.fixture
def bench(tmp_path: Path, images: list[Image]) -> Iterator[Bench]:
    board = virtual_board.start("v", kind="esp32", chip="esp32", speed=20.0, folder=tmp_path)
    timeline = Timeline()
    power = VirtualSwitch(board.control, board.token, board="v", timeline=timeline)
    console = Console(timeline, "v", board.serial, log=tmp_path / "v.log")
    try:
        with console:
            flasher = Esptool(timeline, "v", board.serial, "esp32", console=console, artifacts=tmp_path)
            power.on()
            yield Bench(timeline, console, power, flasher, images)
    finally:
        board.close()


def test_flash_skip_read_write_and_boot(bench: Bench) -> None:
    mark = bench.console.mark()
    result = bench.flasher.flash(bench.images)
    size = sum(image.path.stat().st_size for image in bench.images)
    assert (result.written, result.skipped) == (size, 0)
    bench.console.expect("Loaded app from partition at offset 0x10000", timeout=LONG, after=mark)
    boot = bench.timeline.last(where("board", "boot", "v"))
    assert boot is not None
    assert boot["cause"] == 1
    with bench.flasher.session():
        again = bench.flasher.flash(bench.images)
        assert (again.written, again.skipped) == (0, size)
        data = bytes(range(256)) * 32
        bench.flasher.write(0x9000, data)
        assert bench.flasher.read(0x9000, len(data)) == data
        assert bench.flasher.holds(0x9000, data)
        assert not bench.flasher.holds(0x9000, data[:-1] + b"?")
        bench.flasher.verify(bench.images)
        assert bench.flasher.identity().chip.startswith("ESP32")


def test_the_next_run_flashes_what_a_power_cut_left(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.flasher.attempts = 1
    cut = threading.Event()
    feed = ProgressBar.feed

    def cut_in_the_middle(bar: ProgressBar, text: str) -> None:
        feed(bar, text)
        if bench.images[-1].path.name in text and not cut.is_set():
            bench.power.off()
            cut.set()

    monkeypatch.setattr(ProgressBar, "feed", cut_in_the_middle)
    with pytest.raises(FlashError):
        bench.flasher.flash(bench.images)
    assert cut.is_set()
    mark = bench.console.mark()
    bench.power.on()
    bench.console.expect("rst:0x1 ", timeout=LONG, after=mark)
    with pytest.raises(FlashError, match="Verification failed"):
        bench.flasher.verify(bench.images)
    mark = bench.console.mark()
    bench.flasher.flash(bench.images)
    bench.console.expect("Loaded app from partition at offset 0x10000", timeout=LONG, after=mark)
    bench.flasher.verify(bench.images)


def test_resets_reach_the_chip(bench: Bench) -> None:
    mark = bench.console.mark()
    reset.download(bench.console)
    bench.console.expect("DOWNLOAD_BOOT", timeout=LONG, after=mark)
    mark = bench.console.mark()
    reset.hard(bench.console)
    bench.console.expect("SPI_FAST_FLASH_BOOT", timeout=LONG, after=mark)
    assert bench.power.is_on() is True
