"""The history's answers as JSON, for other programs: one object for each question; docs/history.md has its keys."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hil.history.questions import Drift, Flaky, Lonely, Regression, Trend
from hil.history.runs import Counts, Result
from hil.history.window import Run, Window

FORMAT: Final = 1
"""New keys may come without a new one; a key that is there keeps its meaning."""


def document(question: str, **answers: Any) -> str:
    """The whole of it as text. What no JSON can hold, an infinite or unknown number, is null."""
    found = {"format": FORMAT, "question": question, **answers}
    return json.dumps(_finite(found), ensure_ascii=False, indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value


def looked_at(window: Window) -> dict[str, Any]:
    """Which runs were asked about."""
    first, last = window.runs[0], window.runs[-1]
    return {"runs": len(window.runs), "first": run(first), "last": run(last)}


def run(one: Run | None) -> dict[str, Any] | None:
    """A run; times in seconds since 1970."""
    if one is None:
        return None
    about = {"key": one.key, "rig": one.rig, "host": one.host, "began": one.began, "ended": one.ended}
    return {**about, "folder": one.artifacts}


def counts(found: Sequence[Counts]) -> list[dict[str, Any]]:
    """Runs with their numbers of results."""
    return [{"run": run(one.run), "outcomes": dict(one.outcomes), "seconds": one.seconds} for one in found]


def failed(window: Window, found: Sequence[tuple[Run, Result]]) -> list[dict[str, Any]]:
    """Results that were not as they should be."""
    return [
        {
            **{"run": run(of), "rig": of.rig, "board": window.boards[one.board].name, "scenario": one.scenario},
            **{"outcome": one.outcome, "quarantined": one.quarantined, "seconds": one.seconds, "reason": one.reason},
            "cause": one.cause,
        }
        for of, one in found
    ]


def regressions(found: Sequence[Regression]) -> list[dict[str, Any]]:
    """As `hil.history.questions.regressions` has them."""
    return [
        {
            "kind": one.kind,
            "sure": one.sure,
            "chance": one.chance,
            **_place(one),
            "since": run(one.since),
            "firmware": one.firmware,
            "good": run(one.good),
            "good_firmware": one.good_firmware or None,
            **{"failed": one.failed, "tries": one.tries},
            **{"failed_before": one.failed_before, "tries_before": one.tries_before},
            "quarantined": one.quarantined,
        }
        for one in found
    ]


def flaky(found: Sequence[Flaky]) -> list[dict[str, Any]]:
    """As `hil.history.questions.flaky` has them."""
    return [
        {
            **_place(one),
            "firmware": one.firmware,
            **{"failed": one.failed, "tries": one.tries, "low": one.rate.low, "high": one.rate.high},
            **{"changes": one.changes, "last": one.last, "quarantined": one.quarantined},
        }
        for one in found
    ]


def boards(found: Sequence[Lonely]) -> list[dict[str, Any]]:
    """As `hil.history.questions.lonely` has them."""
    return [
        {
            **{"rig": one.board.rig, "board": one.board.name},
            **{"alone": one.alone, "runs": one.runs, "expected": one.expected, "chance": one.chance},
            **{"results": one.results, "last": run(one.last)},
        }
        for one in found
    ]


def drifts(found: Sequence[Drift]) -> list[dict[str, Any]]:
    """As `hil.history.questions.drifts` has them, each series by itself."""
    return [
        {
            **_place(one),
            **{"name": one.name, "unit": one.unit, "worse": one.worse, "kind": one.change.kind, "chance": one.chance},
            **{"before": one.change.before, "after": one.change.after, "ratio": one.change.ratio},
            **{"slope": one.change.slope, "slope_low": one.change.low, "slope_high": one.change.high},
            **{"since": run(one.since), "firmware": one.firmware, "firmware_before": one.firmware_before},
            "values": list(one.values),
        }
        for one in found
    ]


def trend(found: Sequence[Trend]) -> list[dict[str, Any]]:
    """As `hil.history.questions.trend` has it, a course for each board."""
    return [
        {
            **_place(one),
            **{"failed": one.failed, "tries": one.tries, "low": one.rate.low, "high": one.rate.high},
            "points": [
                {
                    **{"run": run(point.run), "outcome": point.outcome, "quarantined": point.quarantined},
                    **{"seconds": point.seconds, "firmware": point.firmware, "test": point.test},
                    "reason": point.reason,
                    "measured": {name: {"value": v, "unit": unit} for name, (v, unit) in point.measured.items()},
                    "remarks": [{"kind": kind, "text": text} for kind, text in point.remarks],
                }
                for point in one.points
            ],
        }
        for one in found
    ]


def _place(one: Regression | Flaky | Drift | Trend) -> dict[str, Any]:
    """A scenario on a board; null for what belongs to the board, whatever the scenario."""
    return {"rig": one.board.rig, "board": one.board.name, "scenario": one.scenario or None}
