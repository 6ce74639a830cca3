"""Serial ports found by their marks, among those that the kernel shows as connected."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from usb_tree import Tree

from hil import rig as rigs
from hil.console import Console, ConsoleError
from hil.flash import FlashError, Image
from hil.flash.esptool import Esptool
from hil.parts.board import port_of
from hil.ports import PortFinder, PortNotFound, PortTable, UsbPort, connected, device_of, find
from hil.ports.known import KNOWN, recognised
from hil.timeline import Timeline, where
from hil.toml import FileError

LONG = 60
CONTRACT = Path(__file__).parents[2] / "rigs" / "contracts" / "reference.toml"
MAC = "24:0a:c4:00:01:10"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    tree = Tree(tmp_path / "host")
    monkeypatch.setenv("HIL_DEV_ROOT", str(tree.root))
    yield tree
    tree.close()


def names(ports: list[UsbPort]) -> list[str]:
    return [Path(port.device).name for port in ports]


# -- what is connected -------------------------------------------------------------------------------------------------


def test_what_the_kernel_shows_is_read(tree: Tree) -> None:
    tree.plug("ttyUSB0", "1-1.10", serial=None)
    tree.plug("ttyACM0", "1-1.2", "303a:1001", MAC.upper())
    tree.plug("ttyUSB2", "2-1", "0403:6011", "FT1", interface=1)
    (tree.root / "sys" / "class" / "tty" / "tty0").mkdir()  # a console: no device
    (tree.root / "dev" / "serial" / "by-id" / "usb-stale").symlink_to("../../ttyUSB9")
    ports = connected()
    assert names(ports) == ["ttyACM0", "ttyUSB0", "ttyUSB2"], "in the order of their places"
    chip, bridge, second = ports
    assert (chip.vid_pid, chip.serial_number, chip.mac, chip.location) == ("303a:1001", MAC.upper(), MAC, "1-1.2")
    assert (bridge.serial_number, bridge.mac, bridge.product, bridge.manufacturer) == (None, None, "Bridge", "Maker")
    assert second.interface == 1
    assert [Path(name).name for name in chip.by_id] == [f"usb-Maker_Bridge_{MAC.upper()}-if00"]
    assert Path(chip.lasting).resolve() == Path(chip.device).resolve()
    assert chip.lasting == str(tree.root / "dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2:1.0")


def test_several_roots_and_none(tree: Tree, tmp_path: Path) -> None:
    tree.plug("ttyUSB0", "1-1")
    assert connected([tmp_path / "nothing"]) == []
    assert len(connected([tmp_path / "nothing", tree.root, tree.root])) == 2


def test_what_a_port_probably_is() -> None:
    assert recognised(UsbPort("x", vid=0x10C4, pid=0xEA60)) == KNOWN["10c4:ea60"]
    espressif = recognised(UsbPort("x", vid=0x303A, pid=0x8123))
    assert espressif is not None
    assert espressif.kind == "usb-otg"
    assert recognised(UsbPort("x", vid=0x1234, pid=1)) is None
    assert recognised(UsbPort("x")) is None
    assert all(re.fullmatch("[0-9a-f]{4}:[0-9a-f]{4}", key) for key in KNOWN)


# -- by its marks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({"serial_number": "S1"}, "ttyUSB0"),
        ({"location": "1-1.2"}, "ttyACM0"),
        ({"mac": MAC}, "ttyACM0"),
        ({"serial_number": "FT", "interface": 2}, "ttyUSB4"),
        ({"serial_number": "S1", "location": "1-1.1"}, "ttyUSB0"),
    ],
)
def test_a_port_is_found_by(tree: Tree, wanted: dict[str, object], name: str) -> None:
    tree.plug("ttyUSB0", "1-1.1", serial="S1")
    tree.plug("ttyACM0", "1-1.2", "303a:1001", MAC.upper())
    for number in range(4):
        tree.plug(f"ttyUSB{number + 2}", "1-1.3", "0403:6011", "FT", interface=number)
    assert Path(find(PortTable.model_validate(wanted), connected()).device).name == name


def test_two_with_the_same_serial_number_are_told_apart_by_their_place(tree: Tree) -> None:
    tree.plug("ttyUSB0", "1-1.1")
    tree.plug("ttyUSB1", "1-1.2")
    with pytest.raises(PortNotFound) as raised:
        find(PortTable(serial_number="0001"), connected())
    words = str(raised.value)
    assert "2 ports have serial number 0001" in words
    assert "/dev/ttyUSB0 (10c4:ea60, serial number 0001, location 1-1.1)" in words
    assert 'port = { location = "1-1.1" }' in words
    assert "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.1:1.0" in words


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"serial_number": "S9"}, "no port has serial number S9; connected now: .*ttyUSB0.*; plug it in"),
        ({"location": "9-9"}, "no port has location 9-9; connected now"),
        ({"mac": "00:00:00:00:00:01"}, "only the chip can tell its MAC address, which resets it: add ask = true"),
        ({"location": "1-1.3"}, "they belong to one device: add interface = 0 or 1"),
    ],
)
def test_what_is_not_found_says_what_is_connected(tree: Tree, wanted: dict[str, object], words: str) -> None:
    tree.plug("ttyUSB0", "1-1.1")
    tree.plug("ttyUSB2", "1-1.3", "0403:6010", "FT", interface=0)
    tree.plug("ttyUSB3", "1-1.3", "0403:6010", "FT", interface=1)
    with pytest.raises(PortNotFound, match=words):
        find(PortTable.model_validate(wanted), connected())


def test_nothing_at_all_is_connected(tree: Tree) -> None:
    with pytest.raises(PortNotFound, match="connected now: no USB serial port"):
        find(PortTable(serial_number="1"), connected())


def test_the_chips_are_asked_once_and_only_when_told_to(tree: Tree) -> None:
    tree.plug("ttyUSB0", "1-1.1")
    tree.plug("ttyUSB1", "1-1.2")
    asked: list[list[str]] = []

    def asking(mac: str, candidates: list[UsbPort]) -> UsbPort:
        asked.append(names(candidates))
        assert mac == MAC
        return candidates[1]

    finder = PortFinder(PortTable(mac=MAC, ask=True), asking=asking)
    for _ in range(3):
        assert os.path.realpath(finder.device()) == os.path.realpath(tree.root / "dev" / "ttyUSB1")
    assert asked == [["ttyUSB0", "ttyUSB1"]]
    with pytest.raises(PortNotFound, match=f"no chip says that it has MAC address {MAC}; asked: .*ttyUSB0"):
        PortFinder(PortTable(mac=MAC, ask=True), asking=lambda *_: None).device()


# -- in a rig ----------------------------------------------------------------------------------------------------------


def load(tmp_path: Path, port: str, more: str = "") -> rigs.Rig:
    path = tmp_path / "rig.toml"
    path.write_text(
        f'name = "x"\n[boards.one]\nport = {port}\nwifi = {{ ssid = "n" }}\ncontract = "{CONTRACT}"\n{more}'
    )
    return rigs.load(path)


def test_a_rig_names_ports_by_marks_and_by_name(tree: Tree, tmp_path: Path) -> None:
    tree.plug("ttyUSB0", "1-1.1", serial="S1")
    board = load(tmp_path, '{ serial_number = "S1" }').boards["one"]
    assert os.path.realpath(device_of(port_of(board, Timeline(), tmp_path))) == os.path.realpath(
        tree.root / "dev" / "ttyUSB0"
    )
    named = load(tmp_path, '"/dev/ttyUSB7"').boards["one"]
    assert port_of(named, Timeline(), tmp_path) == "/dev/ttyUSB7"


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ("{}", "boards.one.port: found none of serial_number, location and mac, expected at least one of them"),
        ('{ location = "hub 3" }', "boards.one.port.location: found 'hub 3', expected"),
        ('{ serial = "S1" }', "boards.one.port.serial: found a key that is not known; did you mean 'serial_number'?"),
        ('{ serial_number = "1", ask = true }', "boards.one.port: found ask and no mac"),
        ("7", "boards.one.port: found 7, expected"),
    ],
)
def test_a_wrong_port_is_one_clear_line(tmp_path: Path, port: str, words: str) -> None:
    with pytest.raises(FileError) as raised:
        load(tmp_path, port)
    assert words in str(raised.value)


def test_two_boards_on_one_port_are_refused(tmp_path: Path) -> None:
    second = f'[boards.two]\nport = {{ location = "1-1" }}\nwifi = {{ ssid = "n" }}\ncontract = "{CONTRACT}"\n'
    with pytest.raises(FileError, match=r"boards\.two\.port: found 'location 1-1', which board 'one' has already"):
        load(tmp_path, '{ location = "1-1" }', second)


# -- found again -------------------------------------------------------------------------------------------------------


def test_a_board_that_comes_back_under_another_name_is_found_again(tree: Tree) -> None:
    timeline = Timeline()
    first = tree.plug("ttyACM0", "1-1.2", "303a:1001", MAC.upper())
    with Console(timeline, "a", PortFinder(PortTable(mac=MAC))) as console:
        first.device.say(b"before\r\n")
        console.expect("before\n", timeout=LONG)
        first.unplug()
        timeline.wait(where("console", "port", "a", state="lost"), timeout=LONG)
        with pytest.raises(ConsoleError, match=f"has lost its port: .*(no port has MAC address {MAC}|hung up|EIO|I/O)"):
            console.send("x", timeout=0)
        stranger = tree.plug("ttyACM0", "1-1.3", "303a:1001", "24:0A:C4:00:01:99")
        again = tree.plug("ttyACM1", "1-1.2", "303a:1001", MAC.upper())
        console.wait_open(LONG)
        stranger.device.say(b"stranger\r\n")
        again.device.say(b"after\r\n")
        console.expect("after\n", timeout=LONG)
        with console.released() as device:
            assert os.path.realpath(device) == os.path.realpath(again.node)
    assert console.lines() == ["before", "after"]


def test_a_port_that_is_not_there_is_named_when_it_is_opened(tree: Tree) -> None:
    tree.plug("ttyUSB0", "1-1.1", serial="S1")
    with pytest.raises(ConsoleError, match=r"console of a: no port has serial number S2; connected now: .*ttyUSB0"):
        Console(Timeline(), "a", PortFinder(PortTable(serial_number="S2"))).open()


def test_flashers_say_which_port_is_missing(tree: Tree, tmp_path: Path) -> None:
    image = tmp_path / "app.bin"
    image.write_bytes(b"x")
    flasher = Esptool(Timeline(), "a", PortFinder(PortTable(serial_number="S2")), "esp32")
    with pytest.raises(FlashError, match="board a: asking failed: no port has serial number S2"):
        flasher.flash([Image(0, image)])
