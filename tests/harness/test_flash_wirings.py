"""The real esptool and a console on virtual boards of each wiring: flashed and running again, or told what to do."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from virtual_parts import board_process, images

from hil import reset, virtual_board
from hil.console import Console, ConsoleError
from hil.flash import FlashError, Image
from hil.flash.esptool import Esptool
from hil.power.control_port import VirtualSwitch
from hil.timeline import Timeline, where
from hil.virtual.usb import lines
from hil.wiring import INVERTED, NONE, USB_OTG, USB_SERIAL_JTAG, USB_UART, Wiring, custom

LONG = 60
CHIP = {"usb-serial-jtag": "esp32c6", "usb-otg": "esp32s2", "none": "esp32c5"}
FITS: dict[str, tuple[str, Wiring]] = {
    "usb-serial-jtag": ("usb-serial-jtag", USB_SERIAL_JTAG),
    "usb-otg": ("usb-otg", USB_OTG),
    "inverted": ("usb-uart-inverted", INVERTED),
    "custom": ("usb-uart", custom("D0|R1|W0.1|D1|R0|W0.05|D0", "R1|W0.1|R0")),
    "none": ("none", NONE),
}
MISFITS: dict[str, tuple[str, Wiring, str]] = {
    "USB-Serial/JTAG's on a bridge": ("usb-uart", USB_SERIAL_JTAG, r'say so in the rig: reset = "usb-uart"'),
    "a bridge's where nothing is wired": ("none", USB_UART, r'reset = "usb-serial-jtag" or "usb-otg"'),
    "none": ("none", NONE, r"hold BOOT, press RST, and try again"),
    "the wrong sequences": ("usb-uart", custom("D1|W0.1|D0"), r"the sequences in the rig \(reset\.download"),
}


class Bench:
    """A virtual board wired as `kind`, treated as `wiring`. Its flash is blank: it boots again and again."""

    def __init__(self, folder: Path, kind: str, wiring: Wiring) -> None:
        self.chip = CHIP.get(kind, "esp32")
        self.board = virtual_board.start("v", kind="esp32", chip=self.chip, speed=100.0, folder=folder, wiring=kind)
        self.timeline = Timeline()
        self.power = VirtualSwitch(self.board.control, self.board.token, board="v", timeline=self.timeline)
        self.console = Console(self.timeline, "v", self.board.serial, wiring=wiring)
        self.flasher = Esptool(
            self.timeline,
            "v",
            self.board.serial,
            self.chip,
            console=self.console,
            artifacts=folder,
            attempts=1,
            options=("--connect-attempts", "2"),
        )
        self.table = Image(*images(folder / "images", self.chip, size=0x3000)["partition-table"])

    @property
    def mode(self) -> str:
        return str(self.power.order("state")["mode"])

    def heard(self, pattern: str, after: int) -> None:
        found = re.compile(pattern)
        line = where("console", "line", "v", text=lambda text: bool(found.search(text)))
        self.timeline.wait(line, timeout=LONG, after=after)


@contextlib.contextmanager
def opened(folder: Path, kind: str, wiring: Wiring) -> Iterator[Bench]:
    folder.mkdir()
    bench = Bench(folder, kind, wiring)
    try:
        bench.power.on()
        with bench.console:
            bench.heard("SPI_FAST_FLASH_BOOT", 0)
            yield bench
    finally:
        bench.board.close()


def flashed(folder: Path, kind: str, wiring: Wiring) -> None:
    """Flash it, twice in one session; see it run; reset it and put it into its loader through the console."""
    with opened(folder, kind, wiring) as bench:
        if wiring is NONE:
            bench.power.order("hold-boot")
            bench.power.order("press-reset")
            bench.heard("waiting for download", 0)
            bench.power.order("release-boot")
        with bench.flasher.session():
            assert bench.flasher.flash([bench.table]).written > 0
            assert bench.flasher.read(bench.table.offset, 32) == bench.table.path.read_bytes()[:32]
            mark = bench.timeline.mark()
        bench.heard("SPI_FAST_FLASH_BOOT", mark)
        assert bench.mode == "run"
        if wiring is NONE:
            for act in (reset.hard, reset.download):
                with pytest.raises(ConsoleError, match=r"as the rig says \(reset = \"none\"\)"):
                    act(bench.console)
            return
        if kind != "usb-otg":  # with a blank flash nothing answers there
            mark = bench.timeline.mark()
            reset.download(bench.console)
            bench.heard("waiting for download", mark)
            mark = bench.timeline.mark()
            reset.hard(bench.console)
            bench.heard("SPI_FAST_FLASH_BOOT", mark)


def refused(folder: Path, kind: str, wiring: Wiring) -> str:
    """What the failure of flashing says."""
    with opened(folder, kind, wiring) as bench:
        with pytest.raises(FlashError) as caught:
            bench.flasher.flash([bench.table])
        bench.heard("SPI_FAST_FLASH_BOOT", bench.timeline.mark())
    return str(caught.value).split("\n")[0]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[str | None]]]:
    """All at work side by side: they mostly wait."""
    folder = tmp_path_factory.mktemp("wirings")
    with ThreadPoolExecutor(5) as pool:
        found: dict[str, Future[str | None]] = {}
        for number, (name, (kind, wiring)) in enumerate(FITS.items()):
            found[f"fits {name}"] = pool.submit(flashed, folder / f"fits{number}", kind, wiring)
        for number, (name, (kind, wiring, _)) in enumerate(MISFITS.items()):
            found[f"misfits {name}"] = pool.submit(refused, folder / f"misfits{number}", kind, wiring)
        yield found


@pytest.mark.parametrize("name", FITS)
def test_the_fitting_wiring_flashes_and_runs_again(name: str, outcomes: dict[str, Future[str | None]]) -> None:
    outcomes[f"fits {name}"].result(LONG)


@pytest.mark.parametrize("name", MISFITS)
def test_the_wrong_one_fails_and_names_the_cure(name: str, outcomes: dict[str, Future[str | None]]) -> None:
    told = outcomes[f"misfits {name}"].result(LONG)
    assert told is not None
    assert re.search(MISFITS[name][2], told), told


@pytest.mark.skipif(shutil.which("cc") is None, reason="modem lines of ptys need a C compiler")
def test_a_bridges_sequence_does_not_start_the_loader_of_a_chip_with_usb_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a tty, where both lines rise at once as it is opened; see docs/virtual-boards.md for a network."""
    monkeypatch.setenv("LD_PRELOAD", lines.environment()["LD_PRELOAD"])  # for esptool: this process is there already
    words = ("--chip", "esp32c3", "--wiring", "usb-serial-jtag", "--usb", "--speed", "1000", "--powered")
    with board_process(tmp_path, *words) as board:
        port = board.facts["serial"]
        wait_for(Path(port))

        def asked(wiring: Wiring) -> Esptool:
            options = ("--connect-attempts", "2")
            return Esptool(Timeline(), "v", port, "esp32c3", wiring=wiring, attempts=1, options=options)

        with pytest.raises(FlashError, match=r'say so in the rig: reset = "usb-serial-jtag"'):
            asked(USB_UART).identity()
        assert board.control("state")["mode"] == "run"
        assert asked(USB_SERIAL_JTAG).identity().chip.startswith("ESP32-C3")
        assert board.control("state")["mode"] == "run"


def wait_for(path: Path) -> None:
    """Until there is something at `path`."""
    deadline = time.monotonic() + LONG
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} has not come"
        time.sleep(0.01)
