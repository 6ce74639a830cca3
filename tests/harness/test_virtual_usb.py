"""Virtual chips with a USB port of their own: the port comes and goes, under this name or that, and is found again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_parts import PATIENCE, BoardProcess, board_process

from hil.console import Console, ConsoleError
from hil.ports import PortFinder, PortNotFound, PortTable, UsbPort, connected, find
from hil.timeline import Timeline, where
from hil.virtual.usb import lines
from hil.virtual.usb.tree import Descriptor, Tree

ROOT = Path(__file__).parents[2]
MAC, OTHER = "24:0a:c4:00:01:10", "24:0a:c4:00:01:99"
JTAG = ("--chip", "esp32c3", "--wiring", "usb-serial-jtag", "--usb", "--speed", "1000")
OTG = ("--chip", "esp32s3", "--wiring", "usb-otg", "--usb", "--speed", "1000")
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="modem lines of ptys need a C compiler")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIL_DEV_ROOT", str(tmp_path / "usb"))
    return tmp_path / "usb"


def board(path: Path, name: str, mac: str, *words: str) -> BoardProcess:
    return BoardProcess(path, "--mac", mac, "--usb-root", str(path / "usb"), *words, name=name)


@pytest.fixture
def chip(tmp_path: Path, root: Path) -> Iterator[BoardProcess]:
    with board_process(tmp_path, "--mac", MAC, "--usb-root", str(root), *JTAG, name="chip") as chip:
        yield chip


def seen(wanted: PortTable, root: Path | None = None) -> UsbPort:
    """The port, as soon as it is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(PortNotFound):
            port = find(wanted, connected([root] if root else None))
            if port.by_id and port.by_path:  # its links come a moment after it
                return port
        assert time.monotonic() < deadline, connected([root] if root else None)
        time.sleep(0.01)


def test_the_port_is_there_with_the_power_and_says_who_it_is(chip: BoardProcess, root: Path) -> None:
    assert connected() == []
    assert chip.control("power-on")["power"]
    port = seen(PortTable(mac=MAC))
    assert (port.vid_pid, port.serial_number, port.location) == ("303a:1001", MAC.upper(), "1-1.1")
    assert port.device == str(root / "dev" / "ttyACM0")
    assert [Path(name).name for name in port.by_id] == [f"usb-Espressif_USB_JTAG_serial_debug_unit_{MAC.upper()}-if00"]
    assert port.lasting == chip.facts["serial"]
    chip.control("power-off")
    assert connected() == []
    assert not any((root / "dev" / "serial" / "by-id").iterdir())


def test_a_board_comes_back_under_another_name(chip: BoardProcess, tmp_path: Path, root: Path) -> None:
    timeline = Timeline()
    chip.control("power-on")
    first = seen(PortTable(mac=MAC))
    with Console(timeline, "a", PortFinder(PortTable(mac=MAC))) as console:
        with pytest.raises(ConsoleError, match=r"no DTR and RTS lines.*python -m hil\.virtual lines"):
            console.set_lines(dtr=False, rts=True)
        chip.control("press-reset")
        timeline.wait(where("console", "port", state="lost"), timeout=PATIENCE)
        timeline.wait(where("console", "port", state="back"), timeout=PATIENCE)
        mark = timeline.mark()
        chip.control("power-off")
        timeline.wait(where("console", "port", state="lost"), timeout=PATIENCE, after=mark)
        other = board(tmp_path, "other", OTHER, *JTAG, "--powered")
        try:
            assert seen(PortTable(mac=OTHER)).device == first.device, "another board has the name now"
            chip.control("power-on")
            console.wait_open(PATIENCE)
            port = seen(PortTable(mac=MAC))
            assert Path(port.device).name == "ttyACM1"
            assert port.lasting == chip.facts["serial"], "its place is the same"
            assert os.path.realpath(port.by_id[0]) == os.path.realpath(port.device)
        finally:
            other.close()
    assert connected() == [port], "what is gone leaves nothing behind"


def test_a_console_awaits_a_port_that_comes_with_the_power(chip: BoardProcess) -> None:
    console = Console(Timeline(), "a", chip.facts["serial"])
    with pytest.raises(ConsoleError, match="does not exist"):
        console.open()
    console.open(awaited=lambda: True)
    try:
        assert not console.is_open
        chip.control("power-on")
        console.wait_open(PATIENCE)
    finally:
        console.close()


def test_a_killed_board_leaves_nothing_that_the_next_one_meets(tmp_path: Path, root: Path) -> None:
    first = board(tmp_path, "a", MAC, *JTAG, "--powered")
    seen(PortTable(mac=MAC))
    first.process.kill()
    first.process.communicate()
    with board_process(tmp_path, "--mac", OTHER, "--usb-root", str(root), *JTAG, "--powered", name="b"):
        port = seen(PortTable(mac=OTHER))
        assert (Path(port.device).name, port.location) == ("ttyACM0", "1-1.1")
        assert connected() == [port]


def test_two_devices_of_one_name_by_id(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    same = Descriptor("303a", "4001", "Maker", "Thing/1", "0001")
    plugs = [tree.plug(same, tree.take_place(None), "/dev/null") for _ in range(2)]
    ports = connected([tmp_path])
    assert [Path(port.device).name for port in ports] == ["ttyACM0", "ttyACM1"]
    assert [port.by_id for port in ports] == [(), (str(tmp_path / "dev/serial/by-id/usb-Maker_Thing_1_0001-if00"),)]
    with pytest.raises(OSError, match=r"another virtual board is plugged in at 1-1\.2"):
        Tree(tmp_path).take_place("1-1.2")
    plugs[0].remove()
    assert len(connected([tmp_path])) == 1


# -- with modem lines --------------------------------------------------------------------------------------------------


def hil(*words: str, root: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hil.virtual", "lines", sys.executable, "-m", "hil.cli", *words]
    env = {**os.environ, **({"HIL_DEV_ROOT": str(root)} if root else {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env, check=False)


@needs_cc
def test_boards_are_flashed_while_their_ports_come_and_go(tmp_path: Path) -> None:
    """The real esptool on ptys: a chip that is reset through its port, and one that leaves the bus meanwhile."""
    rig, state = tmp_path / "rig.toml", tmp_path / "artifacts" / "state"
    state.mkdir(parents=True)
    contract = ROOT / "rigs" / "contracts" / "reference.toml"
    head = f'virtual = "esp32"\nusb = true\nspeed = 1000\nwifi = {{ ssid = "n" }}\ncontract = "{contract}"\n'
    rig.write_text(
        f'name = "usb"\n[boards.c3]\nchip = "esp32c3"\nwiring = "usb-serial-jtag"\n{head}'
        f'[boards.s3]\nchip = "esp32s3"\nwiring = "usb-otg"\n{head}'
    )
    with board_process(state, *OTG, name="s3") as otg, board_process(state, *JTAG, name="c3") as jtag:
        # Blank flash: there is no firmware yet whose USB could answer.
        otg.control("hold-boot")
        otg.control("power-on")
        port = seen(PortTable(location="1-1.1"), state / "usb")
        otg.control("release-boot")
        done = hil("flash", "--rig", str(rig))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "c3: " in done.stdout
        assert "s3: " in done.stdout
        again = seen(PortTable(serial_number=otg.facts["mac"].replace(":", "").upper()), state / "usb")
        assert (port.vid_pid, again.vid_pid) == ("303a:0002", "303a:4001")
        assert (again.location, again.lasting) == (port.location, port.lasting)
        assert [b.control("state")["mode"] for b in (otg, jtag)] == ["run", "run"]
        done = hil("boards", "--ask", "--json", "--port", "303a:1001", root=state / "usb")
        assert done.returncode == 0, done.stdout + done.stderr
        (told,) = json.loads(done.stdout)
        assert (told["chip"], told["mac"], told["flash_size"]) == ("esp32c3", jtag.facts["mac"], "4MB")
        # Firmware that runs is asked for its loader by its own USB.
        done = hil("flash", "--force", "--board", "s3", "--rig", str(rig))
        assert done.returncode == 0, done.stdout + done.stderr


@needs_cc
def test_the_lines_of_other_ptys_are_the_kernels(tmp_path: Path) -> None:
    code = "import fcntl, os, termios; fcntl.ioctl(os.openpty()[1], termios.TIOCMGET, bytes(4))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=lines.environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert "Inappropriate ioctl for device" in done.stderr


def test_without_a_compiler_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(lines.NoCompiler, match="apt-get install gcc"):
        lines.library(tmp_path)
