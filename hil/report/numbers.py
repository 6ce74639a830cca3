"""Numbers of events in what a worker told while its run still went on: made those of the run's merged timeline.

A worker prints its diagnosis when a test fails. Its events have the numbers of its own timeline then, which nobody will
look into: what people are shown is the merged one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hil.report.results import ACCOUNT
from hil.timeline import Stored, stored

if TYPE_CHECKING:
    import pytest

DIAGNOSIS = "diagnosis of "
STRETCH = "timeline of "
"""How the titles of the sections begin that hold a diagnosis, and the stretch of the timeline."""

_EVENT = re.compile(r"^( +)#(\d+)( +)(?=-?\d+\.\d{3} s  )", re.MULTILINE)
"""An event as `hil.diagnose.report` and `hil.timeline.render` write it: with its number, and its time behind it."""


_NUMBERED = (DIAGNOSIS, STRETCH)


def holds_diagnosis(report: pytest.TestReport) -> bool:
    """Whether one of its sections is a diagnosis, made by a worker."""
    return _worker(report) is not None and any(title.startswith(DIAGNOSIS) for title, _ in report.sections)


def renumber(reports: Iterable[pytest.TestReport], merged: Path | None) -> None:
    """Have their diagnoses, and the stretches below, name events by their numbers on the timeline `merged`.

    Where there is none, the worker's name stands before its own numbers. Raises OSError, and ValueError for a damaged
    timeline.
    """
    events = stored(merged) if merged is not None else {}
    for report in reports:
        report.sections = [
            (title, _renumbered(words, _worker(report) or "", events) if title.startswith(_NUMBERED) else words)
            for title, words in report.sections
        ]


def _worker(report: pytest.TestReport) -> str | None:
    told: Mapping[str, str | None] = getattr(report, ACCOUNT, {})
    return told.get("worker")


def _renumbered(words: str, worker: str, events: Mapping[str, Stored]) -> str:
    own = events.get(worker)

    def number(match: re.Match[str]) -> str:
        indent, old, space = match.groups()
        if own is None or int(old) >= len(own):
            return f"{indent}{worker}#{old}{space}"
        new = f"#{own.number(int(old))}"
        return f"{indent}{new}{' ' * max(1, len(old) + 1 + len(space) - len(new))}"

    return _EVENT.sub(number, words)
