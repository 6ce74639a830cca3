"""The doctor measures whether a switch cuts: boards on real pseudo-terminals, and a virtual one whose switch lies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_host import CONTRACT
from ptys import Device

from hil import virtual_board
from hil.cli import main
from hil.console import Console
from hil.doctor.cutting import Cut, judge, measure_board
from hil.timeline import Timeline, where

POWER_ON = b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\nI (31) boot: ESP-IDF\r\n"
BROWN_OUT = b"rst:0xf (BROWNOUT_RST),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\nI (31) boot: ESP-IDF\r\n"
TALK = b"I (9000) app: telemetry\r\n"


class Board:
    """A board and its switch in one: what it says once it is off, and once it is on again after so long."""

    kind, can_cut, shortest = "hub", True, None

    def __init__(self, device: Device, on: Callable[[float], bytes], off: bytes = b"") -> None:
        self.device = device
        self._says_on, self._says_off = on, off
        self.console: Console
        self.cuts: list[float] = []

    def off(self) -> None:
        if self._says_off:
            self.device.say(self._says_off)

    def on(self) -> None:
        self.device.say(self._says_on(self.cuts[-1] if self.cuts else 0.0))

    def is_on(self) -> bool | None:
        return True

    def close(self) -> None:
        pass


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path / "port")
    yield device
    device.unplug()


def measured(device: Device, tmp_path: Path, board: Board, *, off_time: float = 0.1, patience: float = 30) -> list[Cut]:
    timeline = Timeline()
    with Console(timeline, "kit", str(tmp_path / "port")) as console:
        board.console = console
        device.say(TALK)
        timeline.wait(where("console", "line", "kit"), timeout=30)
        return measure_board(console, board, off_time, patience=patience, longest=4 * off_time)


def verdict(cuts: list[Cut]) -> tuple[str, str, str]:
    finding = next(judge("kit cut", "hub", cuts))
    return finding.level, finding.found, finding.cure


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.doctor.cutting.CAUSE_WITHIN", 1.0)
    monkeypatch.setattr("hil.doctor.cutting.SHORTEST", 0.02)


def test_a_switch_that_cuts(device: Device, tmp_path: Path) -> None:
    cuts = measured(device, tmp_path, Board(device, on=lambda _: POWER_ON))
    level, what, _ = verdict(cuts)
    assert level == "ok"
    assert "cuts: silent at once, started" in what
    assert "cause power-on" in what
    assert [cut.off_time for cut in cuts] == [0.1, 0.05], "half of it is tried, too: is there a margin?"


def test_a_switch_that_does_nothing(device: Device, tmp_path: Path) -> None:
    """The board goes on with its log: no start, and its running time goes on."""
    level, what, cure = verdict(measured(device, tmp_path, Board(device, on=lambda _: b"I (9999) app: telemetry\r\n")))
    assert level == "fault"
    assert "says that it cuts, and does not" in what
    assert "without a start" in what
    assert "running time 9.0 s before and 10.0 s after" in what
    assert "uhubctl's list" in cure


def test_a_board_that_prints_no_time_and_goes_on(device: Device, tmp_path: Path) -> None:
    level, what, _ = verdict(measured(device, tmp_path, Board(device, on=lambda _: b"temperature 21\r\n")))
    assert (level, "without a start" in what) == ("fault", True)


def test_a_second_cable_that_keeps_the_clock(device: Device, tmp_path: Path) -> None:
    """The supply sinks until the brown-out detector holds the chip, and no further, however long it is off."""
    cuts = measured(device, tmp_path, Board(device, on=lambda _: BROWN_OUT))
    assert [cut.off_time for cut in cuts] == [0.1, 0.2, 0.4]
    level, what, cure = verdict(cuts)
    assert level == "fault"
    assert "cause brownout: clock and RTC memory had a supply" in what
    assert "second cable" in cure


def test_an_off_time_that_is_too_short(device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large capacitors: the third cut is long enough."""
    starts = iter([BROWN_OUT, BROWN_OUT, POWER_ON])
    level, what, cure = verdict(measured(device, tmp_path, Board(device, on=lambda _: next(starts))))
    assert level == "fault"
    assert "0.1 s without power are too few" in what
    assert cure.startswith("set off_time = 0.4")


def test_an_off_time_without_a_margin(device: Device, tmp_path: Path) -> None:
    starts = iter([POWER_ON, BROWN_OUT])
    well, close = judge("kit cut", "hub", measured(device, tmp_path, Board(device, on=lambda _: next(starts))))
    assert (well.level, close.level) == ("ok", "note")
    assert "0.1 s without power are enough, 0.05 s too few" in close.found
    assert close.cure.startswith("off_time = 0.2")


def test_a_board_that_says_nothing_cannot_be_judged(device: Device, tmp_path: Path) -> None:
    level, what, cure = verdict(measured(device, tmp_path, Board(device, on=lambda _: b""), patience=0.1))
    assert level == "note"
    assert "it said nothing after the power came back" in what
    assert "print its reset cause" in cure


def test_a_start_that_came_before_the_port_was_back(device: Device, tmp_path: Path) -> None:
    """The bridge has its supply from the same port: the first lines are lost, the running time tells."""

    class BusPowered(Board):
        seen = 0

        def off(self) -> None:
            self.device.unplug()
            # A reader that looks away for long enough would never know that it was gone; so it may be known already
            # when the switch says that it is done.
            lost = where("console", "port", "kit", state="lost")
            self.console.timeline.wait(lost, timeout=30, after=self.seen)
            self.seen = self.console.timeline.mark()

        def on(self) -> None:
            self.device.plug()
            self.device.say(self._says_on(0.0))

    cut = measured(device, tmp_path, BusPowered(device, on=lambda _: b"I (700) app: telemetry\r\n"))[0]
    assert cut.is_real
    assert cut.lost is not None
    assert "its port went away" in next(judge("kit cut", "hub", [cut])).found


@pytest.mark.parametrize(("off", "level", "words"), [("true", "fault", "it still spoke"), (None, "ok", "power-on")])
def test_a_virtual_board_whose_switch_lies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], off: str | None, level: str, words: str
) -> None:
    """Its flash is blank: it starts again and again, and says so, for as long as it has power."""
    board = virtual_board.start("kit", kind="esp32", chip="esp32", speed=20, folder=tmp_path / "board")
    script = tmp_path / "switch"
    host, _, port = board.control.rpartition(":")
    order = json.dumps({"token": board.token, "do": "power-%s"})
    script.write_text(
        f"#!/bin/bash\nexec 3<>/dev/tcp/{host}/{port}\nprintf '%s\\n' '{order}' | sed \"s/%s/$1/\" >&3\nread -r x <&3\n"
    )
    script.chmod(0o700)
    power = f'{{ kind = "command", on = "{script} on", off = "{off or f"{script} off"}" }}'
    (tmp_path / "rig.toml").write_text(
        f'name = "x"\n[boards.kit]\nport = "{board.serial}"\noff_time = 3\npower = {power}\n'
        f'wifi = {{ ssid = "net" }}\ncontract = "{CONTRACT}"\n'
    )
    try:
        board_is_on = main(["power", "on", "--rig", str(tmp_path / "rig.toml")])
        assert board_is_on == 0
        capsys.readouterr()
        main(["doctor", "--rig", str(tmp_path / "rig.toml"), "--json", "--power"])
        told = capsys.readouterr()
    finally:
        board.close()
    cut = next(finding for finding in json.loads(told.out)["findings"] if finding["check"] == "cut")
    assert (cut["level"], words in cut["found"]) == (level, True), cut
    assert "its power is switched off and on now (command)" in told.err
