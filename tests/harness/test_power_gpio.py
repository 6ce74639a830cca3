"""A GPIO line, by the real binding of libgpiod: what is asked of the kernel, and what its refusals come to."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from hil.power import PowerError
from hil.power.gpio import GpioPower
from hil.power.outlet import OutletSwitch, switch_of

gpiod = pytest.importorskip("gpiod", reason="gpiod is not installed")
Value, Direction = gpiod.line.Value, gpiod.line.Direction


class Kernel:
    """Stands in for request_lines: one chip, whose lines keep what they were given."""

    def __init__(self) -> None:
        self.values: dict[Any, Any] = {}
        self.settings: list[Any] = []
        self.held = 0
        self.fails: Exception | None = None

    def request_lines(self, chip: str, consumer: str, config: dict[Any, Any]) -> Kernel:
        if self.fails is not None:
            raise self.fails
        ((line, settings),) = config.items()
        self.settings.append(settings)
        if settings.direction == Direction.OUTPUT:
            self.values[line] = settings.output_value
        self.held += 1
        return self

    def set_value(self, line: Any, value: Any) -> None:
        self.values[line] = value

    def get_value(self, line: Any) -> Any:
        return self.values.get(line, Value.INACTIVE)

    def release(self) -> None:
        self.held -= 1


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(gpiod, "request_lines", made.request_lines)
    return made


def switch(**table: Any) -> OutletSwitch:
    return switch_of("gpio", GpioPower(**({"chip": "/dev/gpiochip0", "line": 17} | table)), Path, board="a")


def test_the_line_is_held_and_read_back(kernel: Kernel) -> None:
    made = switch()
    made.on()
    assert (kernel.values[17], made.is_on(), kernel.held) == (Value.ACTIVE, True, 1)
    made.off()
    assert (kernel.values[17], made.is_on(), kernel.held) == (Value.INACTIVE, False, 1)
    assert len(kernel.settings) == 1, "the line was let go between"
    made.close()
    made.close()
    assert kernel.held == 0


def test_it_comes_up_with_the_wanted_value(kernel: Kernel) -> None:
    switch(line="POWER-3", active_low=True).on()
    (settings,) = kernel.settings
    assert (settings.direction, settings.output_value, settings.active_low) == (Direction.OUTPUT, Value.ACTIVE, True)


def test_looking_changes_nothing(kernel: Kernel) -> None:
    assert switch().is_on() is False
    assert kernel.settings[0].direction == Direction.AS_IS
    assert kernel.held == 0


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.EBUSY, "busy"), "line 17: somebody else holds the line; `gpioinfo` says who"),
        (PermissionError(errno.EACCES, "no"), "sudo usermod -aG gpio"),
        (ValueError("unable to map name 'X' to a line"), "it has no such line"),
        (OSError(errno.EIO, "bad wire"), r"bad wire; see `gpioinfo`"),
    ],
)
def test_what_the_kernels_refusal_comes_to(kernel: Kernel, error: Exception, says: str) -> None:
    kernel.fails = error
    with pytest.raises(PowerError) as caught:
        switch().on()
    assert str(caught.value).startswith("power of a: GPIO /dev/gpiochip0 line 17: ")
    assert says in str(caught.value)


def test_a_chip_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(PowerError, match="there is no such chip; `gpiodetect` lists them"):
        switch(chip=str(tmp_path / "gpiochip9")).on()
