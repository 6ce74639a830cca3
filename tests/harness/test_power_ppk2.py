"""A Power Profiler Kit II as a supply, on a pty that takes its commands and answers as it does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ptys import Device

from hil.power import PowerError
from hil.power.outlet import OutletSwitch, switch_of
from hil.power.ppk2 import Ppk2Power


class Kit:
    """Follows the commands of a PPK2: `mode`, `vdd` in mV, `output`."""

    def __init__(self, path: Path) -> None:
        self.mode, self.vdd, self.output = 1, 5000, False
        self.silent = self.stuck = False
        self.path = path
        self._device = Device(path)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                self._follow(self._device.hear(1)[0])
        except OSError:
            return

    def _follow(self, command: int) -> None:
        if command == 0x11:
            self.mode = self._device.hear(1)[0]
        elif command == 0x0D:
            high, low = self._device.hear(2)
            self.vdd = self.vdd if self.stuck else high * 256 + low
        elif command == 0x0C:
            self.output = bool(self._device.hear(1)[0])
        elif command == 0x19 and not self.silent:
            lines = [
                "Calibrated: 1",
                "R0: 1031.64",
                f"VDD: {self.vdd}",
                "HW: 9173",
                f"mode: {self.mode}",
                "IA: 54",
                "END",
            ]
            self._device.say("\n".join(lines).encode())


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    made = Kit(tmp_path / "ppk2")
    yield made
    os.unlink(made.path)


def switch(kit: Kit, **table: Any) -> OutletSwitch:
    return switch_of("ppk2", Ppk2Power(**({"port": str(kit.path), "millivolts": 3300} | table)), Path, board="a")


def test_it_supplies_and_cuts(kit: Kit) -> None:
    made = switch(kit)
    made.on()
    assert made.is_on() is None, "it does not tell whether its output is on"
    assert (kit.mode, kit.vdd, kit.output) == (2, 3300, True)
    made.off()
    assert (kit.vdd, kit.output) == (3300, False)
    made.close()
    made.close()


def test_a_supply_that_sags_is_read_back(kit: Kit) -> None:
    made = switch(kit, low_millivolts=1900)
    made.on()
    assert made.is_on() is True
    made.off()
    assert (kit.vdd, kit.output, made.is_on()) == (1900, True, False)
    kit.stuck = True
    with pytest.raises(PowerError, match="told to switch on, but says that it is off"):
        made.on()
    made.close()


def test_a_port_that_is_no_ppk2(kit: Kit) -> None:
    kit.silent = True
    made = switch(kit, timeout=0.2)
    with pytest.raises(PowerError, match=r"says nothing within 0.2 s; a PPK2 has two ports: is it the other one\?"):
        made.on()
    made.close()
    with pytest.raises(PowerError, match=r"power of a: PPK2 on .*none cannot be opened .*is it plugged in"):
        switch(kit, port=str(kit.path) + "-none").on()


def test_voltages_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="found low_millivolts 3300, expected less than 3300"):
        Ppk2Power(port="x", millivolts=3300, low_millivolts=3300)
    with pytest.raises(ValueError, match="less than or equal to 5000"):
        Ppk2Power(port="x", millivolts=12000)
