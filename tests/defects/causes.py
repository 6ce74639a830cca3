"""What hil.diagnose makes of a catch, from the stretch of the timeline that belongs to it."""

from __future__ import annotations

from hil.timeline import Event, load
from tests.defects.benches import Verdict
from tests.defects.table import CANNOT_TELL


def stretch(events: list[Event], verdict: Verdict) -> list[Event]:
    """From the start of that test to its end, with what was recorded of the board's contract before."""
    first = next((e.sequence for e in events if _is(e, "start", verdict)), 0)
    last = next((e.sequence for e in events if e.sequence > first and _is(e, "end", verdict)), events[-1].sequence)
    return [
        e
        for e in events
        if first <= e.sequence <= last
        or (e.sequence < first and (e.source, e.kind, e.board) == ("board", "contract", verdict.board))
    ]


def _is(event: Event, kind: str, verdict: Verdict) -> bool:
    is_test = (event.source, event.kind, event.board) == ("test", kind, verdict.board)
    return is_test and event.get("name") == verdict.name


def first_cause(verdict: Verdict) -> str | None:
    """The slug of the diagnosis that ranks first, 'cannot-tell' if there is none; None without a timeline."""
    if verdict.timeline is None:
        return None
    try:
        from hil.diagnose import diagnose
    except ImportError:
        return None
    found = diagnose(stretch(load(verdict.timeline), verdict), verdict.board)
    return found[0].cause if found else CANNOT_TELL
