"""LCUS serial relays, on a pty that speaks the vendor's protocol."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st
from power_devices import lcus
from ptys import Device

from hil.power import PowerError
from hil.power.lcus import LcusPower, order
from hil.power.outlet import OutletSwitch, switch_of
from hil.power.patterns import brown_out
from hil.timeline import Timeline, where


def switch(port: Path, channel: int = 1, *, status: bool = True, timeout: float = 5.0) -> OutletSwitch:
    power = LcusPower(port=str(port), channel=channel, status=status, timeout=timeout)
    return switch_of("lcus", power, Path, board="a")


def test_the_bytes_of_the_vendors_examples() -> None:
    assert order(1, True) == bytes.fromhex("A0 01 01 A2")
    assert order(1, False) == bytes.fromhex("A0 01 00 A1")


@given(st.integers(1, 8), st.booleans())
def test_the_last_byte_is_the_sum(channel: int, on: bool) -> None:
    said = order(channel, on)
    assert said[3] == sum(said[:3]) & 0xFF


def test_a_module_of_several_is_switched_and_read_back(tmp_path: Path) -> None:
    with lcus(tmp_path / "relay", channels=4) as relays:
        made = switch(tmp_path / "relay", 3)
        made.on()
        assert relays == {1: False, 2: False, 3: True, 4: False}
        assert made.is_on() is True
        made.off()
        assert made.is_on() is False


@dataclass
class Board:
    """What a pattern needs of one."""

    power: OutletSwitch
    timeline: Timeline
    name: str = "a"


def test_a_train_of_brown_outs_with_its_achieved_times(tmp_path: Path) -> None:
    timeline = Timeline()
    power = LcusPower(port=str(tmp_path / "relay"), status=True)
    with lcus(tmp_path / "relay", channels=1) as relays:
        made = switch_of("lcus", power, Path, board="a", timeline=timeline)
        pattern = brown_out(Board(made, timeline), cuts=2, off=0.05, on=0.05, within=20)
        cuts = pattern.run(timeout=20)
        assert relays == {1: True}
    assert all(cut.without is not None and cut.without >= 0.05 for cut in cuts)
    restored = timeline.events(where("power", "fault", "a", state="restored"))
    assert [(e["planned"], e["achieved"] >= 0.05) for e in restored] == [(0.05, True)] * 2
    assert [e.kind for e in timeline.events() if e.kind in ("on", "off")] == ["off", "on"] * 2
    assert pattern.finding is None


def test_boards_of_one_module_take_turns(tmp_path: Path) -> None:
    with lcus(tmp_path / "relay", channels=2) as relays:
        made = [switch(tmp_path / "relay", channel, timeout=20) for channel in (1, 2)]
        errors: list[BaseException] = []

        def play(which: OutletSwitch) -> None:
            try:
                for _ in range(3):
                    which.on()
                    which.off()
                which.on()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=play, args=(which,)) for which in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not errors
        assert relays == {1: True, 2: True}


def test_a_module_that_cannot_tell(tmp_path: Path) -> None:
    with lcus(tmp_path / "relay", channels=1, answers=False):
        assert switch(tmp_path / "relay", status=False).is_on() is None
        with pytest.raises(PowerError, match=r"says nothing within 0.1 s .* needs status = false"):
            switch(tmp_path / "relay", timeout=0.1).is_on()


def test_ports_and_channels_that_there_are_not(tmp_path: Path) -> None:
    with lcus(tmp_path / "relay", channels=2), pytest.raises(PowerError, match="has no relay 3; it tells of 1, 2"):
        switch(tmp_path / "relay", 3).is_on()
    with pytest.raises(PowerError, match=r"power of a: LCUS relay on .*relay is not there; plug it in"):
        switch(tmp_path / "relay").on()


def test_a_port_that_somebody_else_has(tmp_path: Path) -> None:
    Device(tmp_path / "relay")
    with (
        serial.Serial(str(tmp_path / "relay"), exclusive=True),
        pytest.raises(PowerError, match="is in use by another program"),
    ):
        switch(tmp_path / "relay", timeout=0.1).on()
