"""The doctor listens: which rate a board speaks at, told by a virtual board whose UART makes noise at any other."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path

import pytest
from fake_host import CONTRACT
from ptys import Device

from hil import virtual_board
from hil.cli import main
from hil.console import Console
from hil.doctor import baud
from hil.doctor.baud import Heard, judge, listen, share
from hil.timeline import Timeline


def heard(rate: int, printable: float, size: int = 400) -> Heard:
    return Heard(rate, size, printable)


@pytest.mark.parametrize(
    ("all_heard", "level", "words", "cure"),
    [
        ([heard(115200, 1.0)], "ok", "text at 115200", ""),
        ([heard(9600, 0.3), heard(115200, 0.99)], "fault", "text at 115200", "console.baud = 115200"),
        ([heard(9600, 0.3), heard(57600, 0.4)], "fault", "text at none of 9600, 57600", "a rate of its own"),
        ([heard(115200, 0.8), heard(74880, 0.7)], "note", "two rates", "hil console --reset"),
        ([heard(115200, 0.0, 0), heard(9600, 0.0, 3)], "fault", "nothing after a reset", "is it flashed"),
        ([heard(115200, 0.0, 0), heard(9600, 1.0)], "fault", "silence at 115200 bit/s, text at 9600", "= 9600"),
    ],
)
def test_verdicts(all_heard: list[Heard], level: str, words: str, cure: str) -> None:
    said = judge("kit console", all_heard)
    assert said.level == level
    assert words in said.found
    assert cure in said.cure


@pytest.mark.parametrize(
    ("data", "least", "most"),
    [
        (b"I (31) boot: ESP-IDF v5\r\n", 1.0, 1.0),
        ("Temperatur 21 °C, größer\n".encode(), 1.0, 1.0),
        (b"\x1b[0;32mI (31) boot\x1b[0m\n", 1.0, 1.0),
        (b"\xe0\x80\x00\xfe" * 9, 0.0, 0.1),
        (random.Random(5).randbytes(4096), 0.3, 0.6),
        (b"", 0.0, 0.0),
    ],
)
def test_the_share_that_can_be_printed(data: bytes, least: float, most: float) -> None:
    assert least <= share(data) <= most


def test_it_listens_no_longer_than_it_must(tmp_path: Path) -> None:
    device = Device(tmp_path / "port")
    with Console(Timeline(), "kit", str(tmp_path / "port")) as console:
        saying = threading.Timer(0.1, device.say, [b"line of a log\r\n" * 40])
        saying.start()
        quickly = listen(console, 60.0)
        saying.join()
    device.unplug()
    assert 0 < quickly.size <= 600
    assert quickly.verdict == "text"


@pytest.mark.parametrize(("told", "level"), [(9600, "fault"), (115200, "ok")])
def test_a_contract_with_a_wrong_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, told: int, level: str
) -> None:
    monkeypatch.setattr(baud, "SECONDS", 5.0)
    board = virtual_board.start("kit", kind="esp32", chip="esp32", speed=50, folder=tmp_path / "artifacts" / "state")
    contract = tmp_path / "contract.toml"
    contract.write_text(CONTRACT.read_text().replace("baud = 115200", f"baud = {told}"))
    (tmp_path / "rig.toml").write_text(
        f'name = "x"\n[boards.kit]\nvirtual = "esp32"\nspeed = 50\nwifi = {{ ssid = "net" }}\ncontract = "{contract}"\n'
    )
    try:
        main(["doctor", "--rig", str(tmp_path / "rig.toml"), "--json", "--listen"])
    finally:
        board.close()
    findings = json.loads(capsys.readouterr().out)["findings"]
    said = next(finding for finding in findings if finding["check"] == "console")
    assert said["level"] == level, said
    if level == "fault":
        assert said["found"] == "noise at 9600 bit/s, text at 115200"
        assert said["cure"].startswith("set console.baud = 115200 in the contract")
