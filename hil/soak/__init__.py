"""Soak runs: a seeded mix of disturbances, and what the timeline then tells of the board.

    found = soak(bench, board, seconds=600, seed=1)
    assert not found.away and not found.boots

`measure(events, board)` alone reads any timeline, also one of a file.
"""

from __future__ import annotations

from hil.evidence.trend import Trend, trend
from hil.soak.judging import faults
from hil.soak.measures import Measures, measure
from hil.soak.numbers import Life
from hil.soak.plan import LASTS, MIX, Planned, What, plan
from hil.soak.play import soak
from hil.soak.returns import Absence, Disturbance

__all__ = [
    "LASTS",
    "MIX",
    "Absence",
    "Disturbance",
    "Life",
    "Measures",
    "Planned",
    "Trend",
    "What",
    "faults",
    "measure",
    "plan",
    "soak",
    "trend",
]
