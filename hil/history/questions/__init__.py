"""What can be asked of the history, a file for each question. Each is a pure function of a window of runs."""

from __future__ import annotations

from hil.history.questions.drifts import Drift, drifts
from hil.history.questions.flaky import Flaky, flaky
from hil.history.questions.lonely import Lonely, lonely
from hil.history.questions.regressions import Regression, regressions
from hil.history.questions.trends import Point, Trend, trend

__all__ = [
    "Drift",
    "Flaky",
    "Lonely",
    "Point",
    "Regression",
    "Trend",
    "drifts",
    "flaky",
    "lonely",
    "regressions",
    "trend",
]
