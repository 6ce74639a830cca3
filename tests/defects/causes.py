"""What hil.diagnose makes of a catch, from the stretch of the timeline that belongs to it."""

from __future__ import annotations

from hil.diagnose import CANNOT_TELL, diagnose, stretches
from hil.timeline import load
from tests.defects.benches import Verdict


def first_cause(verdict: Verdict) -> str | None:
    """The slug of the diagnosis that ranks first, 'cannot-tell' if there is none; None without a timeline."""
    if verdict.timeline is None:
        return None
    events = load(verdict.timeline)
    stretch = next((s for s in stretches(events, verdict.board) if s.name == verdict.name), None)
    if stretch is None:
        return None
    found = diagnose(events, verdict.board, after=stretch.after, before=stretch.before)
    return found[0].cause if found else CANNOT_TELL
