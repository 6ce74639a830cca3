"""A sequence of modem lines, in the notation that esptool and esp-idf-monitor have for custom ones.

    D0 R1 U1,0    DTR, RTS, or both at once: asserted (1) or released (0)
    W0.1          wait so many seconds
    |             between two steps

Source: esptool's documentation, 'Configuration File', `custom_reset_sequence`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_WAIT = 60.0
"""Seconds; a longer wait is a slip of the pen."""

_STEP = re.compile(r"D([01])|R([01])|U([01])\s*,\s*([01])|W(\d+(?:\.\d*)?|\.\d+)")


class BadSequence(ValueError):
    """Not a sequence; one line that names the step."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Assert (True) or release (False) a line; None leaves it as it is."""

    dtr: bool | None = None
    rts: bool | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds in which nothing changes."""

    seconds: float


Step = Lines | Wait


@dataclass(frozen=True, slots=True)
class Sequence:
    """Steps in order. Both lines are released before the first one."""

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> Sequence:
        """From 'D0|R1|W0.1|D1|R0'. Raises BadSequence."""
        steps = tuple(_step(word.strip()) for word in text.split("|") if word.strip())
        if not any(isinstance(step, Lines) for step in steps):
            raise BadSequence(f"found {text!r}, expected steps as in 'D0|R1|W0.1|D1|R0|W0.05|D0'")
        return cls(steps)

    def __str__(self) -> str:
        return "|".join(_shown(step) for step in self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def inverted(self) -> Sequence:
        """For a board at which both lines arrive inverted."""
        return Sequence(tuple(step if isinstance(step, Wait) else _turned(step) for step in self.steps))

    def apart(self) -> Sequence:
        """One line after the other, DTR first: for tools and ports that cannot change both at once."""
        steps: list[Step] = []
        for step in self.steps:
            both = isinstance(step, Lines) and step.dtr is not None and step.rts is not None
            steps += [Lines(step.dtr), Lines(rts=step.rts)] if both and isinstance(step, Lines) else [step]
        return Sequence(tuple(steps))


def _turned(lines: Lines) -> Lines:
    return Lines(None if lines.dtr is None else not lines.dtr, None if lines.rts is None else not lines.rts)


def _step(word: str) -> Step:
    match = _STEP.fullmatch(word)
    if match is None:
        raise BadSequence(
            f"found step {word!r}, expected D0, D1, R0, R1, U with both ('U1,0'), or W with seconds ('W0.1')"
        )
    dtr, rts, both_dtr, both_rts, seconds = match.groups()
    if seconds is not None:
        if float(seconds) > LONGEST_WAIT:
            raise BadSequence(f"found step {word!r}, expected at most {LONGEST_WAIT:g} seconds")
        return Wait(float(seconds))
    if both_dtr is not None:
        return Lines(both_dtr == "1", both_rts == "1")
    return Lines(dtr == "1", None) if dtr is not None else Lines(None, rts == "1")


def _shown(step: Step) -> str:
    if isinstance(step, Wait):
        return f"W{step.seconds:g}"
    if step.dtr is not None and step.rts is not None:
        return f"U{step.dtr:d},{step.rts:d}"
    return f"D{step.dtr:d}" if step.dtr is not None else f"R{bool(step.rts):d}"
