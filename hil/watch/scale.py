"""The scale of a picture in time: how much it shows, where it stands, and what is written along it."""

from __future__ import annotations

from dataclasses import dataclass

SPANS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 7200, 6 * 3600, 24 * 3600)
"""Seconds that the picture shows at once, from nearest to widest."""

USUAL = SPANS.index(60)

_STEPS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
    *(60, 120, 300, 600, 1800, 3600, 14400),
)
"""Seconds between two times that are written."""

_APART, _APART_CLOCK = 9, 11
"""Cells between two times that are written, at the least; the same for times of day."""


@dataclass(frozen=True, slots=True)
class Scale:
    """`cells` of `width` seconds each, the first of which is number `first`, counted in widths from 0 on."""

    first: int
    cells: int
    width: float

    @property
    def begin(self) -> float:
        """In monotonic seconds, as the timeline has them."""
        return self.first * self.width

    @property
    def end(self) -> float:
        """In monotonic seconds."""
        return (self.first + self.cells) * self.width

    def column(self, moment: float) -> int:
        """The column in which a moment stands; one that is not in the picture where it does not."""
        return int(moment // self.width) - self.first

    def axis(self, offset: float, *, clock: bool = False) -> str:
        """The times along it: monotonic ones and `offset`, in seconds; as times of day with `clock`."""
        apart = _APART_CLOCK if clock else _APART
        step = next((s for s in _STEPS if s / self.width >= apart), _STEPS[-1])
        line = [" "] * self.cells
        tick = max(0, int((self.begin + offset) // step) + 1)
        while (column := round((tick * step - offset) / self.width) - self.first) < self.cells:
            words = "│" + (_time_of_day(tick * step, step) if clock else _seconds(tick * step, step))
            if 0 <= column <= self.cells - len(words):
                line[column : column + len(words)] = words
            tick += 1
        return "".join(line)


def _seconds(seconds: float, step: float) -> str:
    places = 0 if step >= 1 else 1 if step >= 0.1 else 2 if step >= 0.01 else 3
    return f"{seconds:.{places}f}"


def _time_of_day(seconds: float, step: float) -> str:
    minutes, second = divmod(round(seconds, 3) % 86400, 60)
    digits = f"{second:06.3f}" if step < 1 else f"{second:02.0f}"
    return f"{int(minutes // 60):02}:{int(minutes % 60):02}:{digits}"


def span_words(seconds: float) -> str:
    """How much is shown: '60 s', '5 min', '0.2 s'."""
    if seconds <= 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"
