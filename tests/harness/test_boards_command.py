"""`hil boards`: what is connected, whose it is, and stanzas that the rig's loader takes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from usb_tree import Tree

from hil import rig as rigs
from hil.cli import main
from hil.flash import FlashError
from hil.flash.identity import Identity, identity_of
from hil.ports import UsbPort, asking, connected
from hil.ports.locked import reserved
from hil.ports.seen import Register, Seen

RIGS = Path(__file__).parents[2] / "rigs"
MAC = "24:0a:c4:00:01:10"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    """One port of each kind; two CP2102 with one serial number between them."""
    tree = Tree(tmp_path / "host")
    tree.plug("ttyUSB0", "1-1.1")
    tree.plug("ttyUSB1", "1-1.2")
    tree.plug("ttyUSB2", "1-1.3", "1a86:7523", None)
    tree.plug("ttyACM0", "1-1.4", "303a:1001", MAC.upper())
    tree.plug("ttyACM1", "1-2", "2341:0043", "UNO1")
    tree.plug("ttyACM2", "1-3.1", "2341:804d", "ZERO1")
    tree.plug("ttyACM3", "1-3.2", "2e8a:000a", "PICO1")
    tree.plug("ttyACM4", "1-3.3", "303a:0002", "0")
    tree.plug("ttyUSB5", "1-4", "0403:6010", "FT1", interface=0)
    tree.plug("ttyUSB6", "1-4", "0403:6010", "FT1", interface=1)
    tree.plug("ttyACM9", "1-5", "dead:beef", "X1")
    for plugged in tree.plugged:
        plugged.device.let_go()
    monkeypatch.setenv("HIL_DEV_ROOT", str(tree.root))
    monkeypatch.delenv("HIL_RIG", raising=False)
    monkeypatch.setenv("COLUMNS", "250")
    yield tree
    tree.close()


@pytest.fixture
def rig(tree: Tree, tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    head = f'wifi = {{ ssid = "n" }}\ncontract = "{RIGS}/contracts/reference.toml"\n'
    path.write_text(
        f'name = "x"\n[boards.kit]\nport = {{ location = "1-1.2" }}\n{head}'
        f'[boards.c3]\nport = "{tree.root}/dev/serial/by-id/usb-Maker_Bridge_{MAC.upper()}-if00"\n{head}'
        f'[boards.away]\nport = {{ serial_number = "S9" }}\n{head}'
        f'[boards.asked]\nmac = "{MAC}"\nport = {{ mac = "{MAC}", ask = true }}\n{head}'
        f'[boards.v]\nvirtual = "esp32"\n{head}'
    )
    return path


@contextlib.contextmanager
def open_elsewhere(port: Path) -> Iterator[None]:
    """Inside, a program has the port open."""
    with os.fdopen(os.open(port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)) as file:
        program = subprocess.Popen(["sleep", "600"], stdin=file)
    try:
        yield
    finally:
        program.kill()
        program.wait()


def test_each_port_is_shown_with_what_it_probably_is(tree: Tree, rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_elsewhere(tree.root / "dev" / "ttyUSB0"):
        assert main(["boards", "--rig", str(rig)]) == 0
    lines = capsys.readouterr().out.split("\n")

    def line(name: str) -> str:
        return next(line for line in lines if f"/dev/{name} " in line)

    assert re.search(r"1-1\.1 +10c4:ea60 +0001 +CP210x bridge +- +sleep \(pid \d+\)", line("ttyUSB0"))
    assert re.search(r"CP210x bridge +kit +-", line("ttyUSB1"))
    assert re.search(r"1a86:7523 +- +CH340 or CH341 bridge", line("ttyUSB2"))
    assert re.search(rf"{MAC.upper()} +Espressif USB-Serial/JTAG +c3", line("ttyACM0"))
    text = "\n".join(lines)
    assert "serial number S9 (not there)" in text
    assert "asked for when it is opened" in text
    assert "by-id/usb-Maker_Bridge_UNO1-if00 -> ttyACM1" in text


def test_programs_get_json(tree: Tree, rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "--rig", str(rig), "--json"]) == 0
    told = {Path(entry["device"]).name: entry for entry in json.loads(capsys.readouterr().out)}
    assert len(told) == 11
    chip = told["ttyACM0"]
    assert (chip["mac"], chip["kind"], chip["location"], chip["boards"]) == (MAC, "usb-serial-jtag", "1-1.4", ["c3"])
    assert told["ttyUSB2"]["serial_number"] is None
    assert told["ttyACM9"]["kind"] is None


def stanzas(capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: str) -> tuple[str, rigs.Rig]:
    """What is printed, and the rig that it makes beside a copy of the contracts."""
    assert main(["boards", "--stanza", *words]) == 0
    text = capsys.readouterr().out
    shutil.copytree(RIGS / "contracts", tmp_path / "contracts", dirs_exist_ok=True)
    (tmp_path / "pasted.toml").write_text('name = "pasted"\n' + text)
    return text, rigs.load(tmp_path / "pasted.toml")


def test_stanzas_are_taken_by_the_loader(tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, rig = stanzas(capsys, tmp_path)
    boards = {name: board.config for name, board in rig.boards.items()}
    assert len(boards) == 11
    links = str(tree.root / "dev" / "serial" / "by-id" / "usb-Maker_Bridge_")
    ports = {name: str(config.port) for name, config in boards.items()}
    assert ports["kit-1-1-1"] == "location 1-1.1", "the same serial number twice"
    assert ports["kit-1-1-3"] == "location 1-1.3", "no serial number"
    assert ports["kit-1-1-4"] == f"{links}{MAC.upper()}-if00"
    assert ports["kit-1-3-3"] == "location 1-3.3", "another serial number in download mode"
    assert boards["kit-1-1-4"].mac == MAC
    resets = {name: config.reset.kind for name, config in boards.items() if config.reset is not None}
    assert resets == {"kit-1-1-4": "usb-serial-jtag", "kit-1-3-3": "usb-otg"}
    flashers = {name: config.flasher.kind for name, config in boards.items() if config.flasher is not None}
    assert flashers == {"uno-1-2": "avrdude", "samd-1-3-1": "bossac", "pico-1-3-2": "uf2"}
    # The hint of the power switch is a line to take in, too.
    hinted = re.sub(r"^# (power = .*)", r"\1", text, flags=re.MULTILINE)
    (tmp_path / "pasted.toml").write_text('name = "pasted"\n' + hinted)
    power = rigs.load(tmp_path / "pasted.toml").boards["kit-1-1-4"].config.power
    assert (getattr(power, "kind", ""), getattr(power, "location", ""), getattr(power, "port", 0)) == (
        "uhubctl",
        "1-1",
        4,
    )


def test_only_some_ports(tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, rig = stanzas(capsys, tmp_path, "--port", "UNO1")
    assert list(rig.boards) == ["uno-1-2"]


def test_chips_are_asked_only_when_told_to(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(port: UsbPort, *_: object) -> Identity:
        asked.append(Path(port.device).name)
        if port.location == "1-1.2":
            raise FlashError("board ttyUSB1: asking failed: no answer; check power\nmore")
        return Identity("ESP32-C3 (QFN32) (revision v0.4)", MAC, "4MB", "esp32c3")

    monkeypatch.setattr(asking, "ask", ask)
    stanzas(capsys, tmp_path)
    assert asked == []
    with open_elsewhere(tree.root / "dev" / "ttyUSB0"):
        assert main(["boards", "--ask"]) == 1
    out, err = capsys.readouterr()
    assert "ESP32-C3 (QFN32) (revision v0.4), 4MB flash" in out
    assert re.search(r"ttyUSB0: not asked: sleep \(pid \d+\) has the port; end it", err)
    assert "ttyUSB1: asking failed: no answer; check power" in err
    assert not {"ttyACM1", "ttyACM2", "ttyACM3", "ttyUSB0"} & set(asked), "nobody asks an Arduino, or takes a port away"
    text, rig = stanzas(capsys, tmp_path, "--ask", "--port", "1-1.3")
    assert rig.boards["esp32c3-1-1-3"].config.chip == "esp32c3"
    assert f'mac = "{MAC}"' in text


def test_a_port_that_another_run_has_locked_is_not_asked(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIL_LOCKS", str(tmp_path))
    port = connected()[0]
    with reserved(port) as other:
        assert other is None
        with reserved(port) as other:
            assert other is not None
        assert main(["boards", "--port", "1-1.1"]) == 0
        assert re.search(r"ttyUSB0 .*CP210x bridge +- +\w+, pid \d+ \(.*since", capsys.readouterr().out)
        assert main(["boards", "--ask", "--port", "1-1.1"]) == 1
        assert re.search(
            r"ttyUSB0: not asked: .*ttyUSB0 is held by .*; wait for it, or end it", capsys.readouterr().err
        )
    main(["boards", "--port", "1-1.1", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["locked_by"] is None


def test_a_board_that_was_replaced_is_accepted(tree: Tree, rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register = Register(rig.parent / "artifacts" / "state" / "seen")
    register.write("kit", Seen(mac=MAC, location="1-1.2", day="2026-01-31"))
    main(["boards", "--rig", str(rig)])
    assert f"2026-01-31 {MAC} at 1-1.2" in capsys.readouterr().out
    assert main(["boards", "--rig", str(rig), "--accept", "kit"]) == 0
    assert "whoever answers next is taken for it" in capsys.readouterr().out
    assert register.read("kit") is None
    assert main(["boards", "--rig", str(rig), "--accept", "kit"]) == 0
    assert main(["boards", "--rig", str(rig), "--accept", "asked"]) == 1
    assert f"boards.asked.mac: the rig itself says {MAC}" in capsys.readouterr().err
    assert main(["boards", "--rig", str(rig), "--accept", "nobody"]) == 2
    assert main(["boards", "--accept", "kit"]) == 2


def test_nothing_is_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIL_DEV_ROOT", str(tmp_path))
    monkeypatch.delenv("HIL_RIG", raising=False)
    assert main(["boards"]) == 0
    assert "no USB serial port is connected" in capsys.readouterr().out


def test_what_esptool_says_of_a_chip() -> None:
    said = "Connected to ESP32-C6 on /dev/ttyX:\nChip type:          ESP32-C6FH4 (QFN32) (revision v0.1)\n"
    assert identity_of(said + "BASE MAC:           24:0A:C4:00:01:10\n") == Identity(
        "ESP32-C6FH4 (QFN32) (revision v0.1)", MAC, None, "esp32c6"
    )
    assert identity_of(said) is None, "in secure download mode"
