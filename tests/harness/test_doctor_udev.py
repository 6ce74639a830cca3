"""udev rules that the doctor writes: for what is connected, to a new file, and such that udev can read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_host import FakeHost, board
from hypothesis import given
from hypothesis import strategies as st

from hil.doctor import udev
from hil.doctor.check import Case

NAME = "usb-Silicon_Labs_CP2102_0001-if00-port0"
PORT = f"/dev/serial/by-id/{NAME}"


@pytest.fixture
def fake(tmp_path: Path) -> FakeHost:
    fake = FakeHost(tmp_path / "root")
    fake.write("/etc/group", "root:x:0:\ndialout:x:20:\nplugdev:x:46:\n")
    fake.usb("1-1.2", "10c4", "ea60", name="CP2102", serial="0001")
    fake.tty("ttyUSB0", "1-1.2", by_id=NAME)
    return fake


def lines(case: Case) -> list[str]:
    return [line for line in udev.rules(case) if line and not line.startswith("#")]


def test_a_board_known_by_its_serial_number(fake: FakeHost, tmp_path: Path) -> None:
    usb, tty = lines(fake.case(tmp_path, board(PORT)))
    ids = 'ATTR{idVendor}=="10c4", ATTR{idProduct}=="ea60", ATTR{serial}=="0001"'
    assert usb == f'SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_device", {ids}, ENV{{ID_MM_DEVICE_IGNORE}}="1"'
    assert tty.startswith(f'SUBSYSTEM=="tty", {ids.replace("ATTR{", "ATTRS{")}, GROUP="dialout", MODE="0660"')
    assert tty.endswith('SYMLINK+="hil/kit"')


@pytest.mark.parametrize("serial", ["", "0001"])
def test_a_board_that_only_its_place_tells_apart(fake: FakeHost, tmp_path: Path, serial: str) -> None:
    """It has no serial number, or another has the same."""
    fake.write("/sys/bus/usb/devices/1-1.2/serial", serial)
    fake.usb("1-1.3", "10c4", "ea60", serial="0001")
    fake.tty("ttyUSB1", "1-1.3")
    usb, tty = lines(fake.case(tmp_path, board(PORT)))
    assert 'KERNELS=="1-1.2"' in tty
    assert 'KERNEL=="1-1.2"' in usb
    assert "serial" not in tty


def test_one_port_of_a_device_that_has_two(fake: FakeHost, tmp_path: Path) -> None:
    fake.tty("ttyUSB1", "1-1.2", interface=1)
    assert 'ENV{ID_USB_INTERFACE_NUM}=="00"' in lines(fake.case(tmp_path, board(PORT)))[1]


@pytest.mark.parametrize(
    ("power", "words"),
    [
        ('{ kind = "uhubctl", location = "1-1", port = 2 }', 'KERNEL=="1-1*", ATTR{idVendor}=="2109"'),
        ('{ kind = "uhubctl", location = "1-1", port = 2 }', "chmod -f 0664 $sys$devpath/*-port*/disable"),
        ('{ kind = "usbrelay", serial = "BITFT", channel = 1 }', 'SUBSYSTEM=="hidraw", ATTRS{idVendor}=="16c0"'),
        ('{ kind = "sispmctl", socket = 1 }', 'ATTR{idProduct}=="fd1[0-5]"'),
        ('{ kind = "gpio", chip = "/dev/gpiochip0", line = 17 }', 'SUBSYSTEM=="gpio", KERNEL=="gpiochip*"'),
        ('{ kind = "lcus", port = "/dev/ttyUSB7", channel = 1 }', 'SYMLINK+="hil/kit-power"'),
    ],
)
def test_switches(fake: FakeHost, tmp_path: Path, power: str, words: str) -> None:
    fake.usb("1-1", "2109", "2817", name="Hub")
    fake.usb("1-1.4", "1a86", "7523", name="Relay")
    fake.tty("ttyUSB7", "1-1.4")
    found = lines(fake.case(tmp_path, board(PORT) + f"power = {power}\n"))
    assert any(words in line for line in found), found
    assert list(udev.mistakes("\n".join(found))) == []


def test_the_file_is_new_and_nothing_is_overwritten(fake: FakeHost, tmp_path: Path) -> None:
    path, case = tmp_path / "hil.rules", fake.case(tmp_path, board(PORT))
    said = udev.write(case, path)
    assert said.level == "note"
    assert "sudo cp" in said.cure
    text = path.read_text()
    assert list(udev.mistakes(text)) == []
    path.write_text("mine")
    again = udev.write(case, path)
    assert "is there already, and is not overwritten" in again.found
    assert path.read_text() == "mine"


def test_nothing_connected_and_no_folder(fake: FakeHost, tmp_path: Path) -> None:
    assert "nothing of this rig is connected" in udev.write(fake.case(tmp_path, board("/dev/x")), tmp_path / "r").found
    assert "cannot be written" in udev.write(fake.case(tmp_path, board(PORT)), tmp_path / "no" / "r").found
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("says", "code", "level"),
    [
        ("", 0, "note"),
        ("x.rules:4 Unknown key 'FOO', ignoring.", 1, "fault"),
        ("Unknown command verb 'verify'.", 1, "note"),
    ],
)
def test_udevadm_has_the_last_word(
    fake: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: int, level: str
) -> None:
    (tmp_path / "udevadm").write_text(f'#!/bin/sh\necho "{says}"\nexit {code}\n')
    (tmp_path / "udevadm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert udev.write(fake.case(tmp_path, board(PORT)), tmp_path / "hil.rules").level == level


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('SUBSYSTEM=="tty" GROUP="x"', "expected a comma"),
        ('SUBSYSTEM=="tty", GROUP=="x"', "GROUP does not go with =="),
        ('SUBSYSTEM="tty"', "SUBSYSTEM does not go with ="),
        ('FOO=="tty"', "unknown key FOO"),
        ('SUBSYSTEM=="tty', "expected KEY"),
    ],
)
def test_mistakes_are_seen(line: str, words: str) -> None:
    assert any(words in mistake for mistake in udev.mistakes(line))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_no_device_can_write_a_rule_of_its_own(serial: str) -> None:
    pattern = udev._pattern(serial)
    assert len(pattern) == len(serial)
    assert list(udev.mistakes(f'ATTRS{{serial}}=="{pattern}", SYMLINK+="hil/kit"')) == []
    assert not set('"\n\\*[]|{}$%') & set(pattern)
    assert "\n" not in udev._comment(serial)
