"""What hil.diagnose makes of a catch, from the stretch of the timeline that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from hil.diagnose import CANNOT_TELL, diagnose, stretches
from hil.timeline import Event, load
from tests.defects.benches import Verdict
from tests.defects.judge import Row


def diagnose_all(rows: Iterable[Row]) -> None:
    """Write into each row what the diagnosis says first of its meant catches."""
    for row in rows:
        for catch in row.defect.caught:
            verdict = next((v for v in row.meant(catch) if v.caught), None)
            cause = first_cause(verdict) if verdict else None
            if cause is not None:
                row.diagnoses[str(catch)] = cause


def first_cause(verdict: Verdict) -> str | None:
    """The slug of the diagnosis that ranks first, 'cannot-tell' if there is none; None without a timeline."""
    if verdict.timeline is None:
        return None
    events = _events(verdict.timeline)
    stretch = next((s for s in stretches(events, verdict.board) if s.name == verdict.name), None)
    if stretch is None:
        return None
    found = diagnose(events, verdict.board, after=stretch.after, before=stretch.before)
    return found[0].cause if found else CANNOT_TELL


@lru_cache(maxsize=8)
def _events(timeline: Path) -> list[Event]:
    return load(timeline)
