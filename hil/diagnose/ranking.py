"""All causes asked, and put in order: what is surer first; what only looks like another one steps back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.attempts import End
from hil.diagnose.case import Case
from hil.diagnose.cause import Cause, Diagnosis, Found
from hil.diagnose.causes import CAUSES
from hil.diagnose.words import times
from hil.timeline import Event

CANNOT_TELL = "cannot-tell"
"""The slug of the diagnosis that there is none."""

_SURE = 0.5
"""A cause this sure makes others step back."""
_STEP_BACK = 0.4
"""What is left of the confidence of one that steps back."""
_LEAST = 0.2
_MOST = 4
"""How many diagnoses are worth reading."""


def diagnose(
    events: Sequence[Event],
    board: str,
    *,
    after: int = 0,
    before: int | None = None,
    until: float | None = None,
) -> list[Diagnosis]:
    """What probably went wrong with `board` in the stretch of the timeline from position `after` up to `before`.

    `events`: the whole timeline, as `hil.timeline.load` reads it; what lies before the stretch is looked at, too.
    `until`: until when one has looked, in monotonic seconds, where that was longer than to the last event. Ranked, the
    most probable first, at most four. Empty if nothing looks wrong; one `cannot-tell` if something does, and no cause
    fits.
    """
    case = Case(events, board, after=after, before=before, until=until)
    found = [(cause, one) for cause in CAUSES if (one := cause.find(case)) is not None]
    ranked = sorted(_weighed(found), key=lambda d: -d.confidence)
    ranked = [d for d in ranked if d.confidence >= _LEAST][:_MOST]
    return ranked or _in_doubt(case)


def _weighed(found: list[tuple[Cause, Found]]) -> list[Diagnosis]:
    sure = [cause for cause, one in found if one.confidence >= _SURE]
    outranked = {slug for cause in sure for slug in cause.outranks}
    someone = any(not cause.symptom for cause in sure)
    return [
        Diagnosis(
            cause.slug,
            cause.title,
            one.explanation,
            tuple(one.evidence),
            one.against,
            cause.next_steps,
            one.confidence * (_STEP_BACK if cause.slug in outranked or (cause.symptom and someone) else 1.0),
        )
        for cause, one in found
    ]


def _in_doubt(case: Case) -> list[Diagnosis]:
    """Something is wrong if the board has power and is not online at the end; but no cause fits."""
    started = case.starts[-1].monotonic if case.starts else case.began
    last = case.attempts[-1] if case.attempts else None
    online = last is not None and (last.end is End.DISCONNECTED or (last.ended is None and last.accepted_by_broker))
    if online or case.is_off(case.until) or not case.events or case.until - started < 1:
        return []
    return [cannot_tell(case)]


def cannot_tell(case: Case) -> Diagnosis:
    """That the timeline does not show the cause, with what it does show."""
    accepted = len(case.accepted)
    seen = (
        f"Seen: {len(case.attempts)} connection(s), {accepted} of them accepted by the broker; the time asked for "
        f"{times(len(case.all('time', 'request')))}; booted {times(len(case.boots))}; "
        f"{len(case.all('console', 'line'))} console lines."
    ).replace("0 times", "not once")
    return Diagnosis(
        CANNOT_TELL,
        "Cannot tell from outside",
        f"Nothing on this timeline names a cause: what is wrong shows neither on the wire nor on the console. {seen}",
        tuple(case.attempts[-1].events[-1:]) if case.attempts else (),
        (),
        ("read the device's own log around the moment of the failure", "compare with a run that passed"),
        0.1,
    )


@dataclass(frozen=True, slots=True)
class Stretch:
    """A test's part of a timeline: positions `after` and `before`, and its name."""

    board: str
    name: str
    after: int
    before: int | None


def boards(events: Sequence[Event]) -> list[str]:
    """The boards that a timeline speaks of, in order of their first event."""
    return list(dict.fromkeys(e.board for e in events if e.board is not None))


def stretches(events: Sequence[Event], board: str) -> list[Stretch]:
    """The tests that a board went through; the whole timeline where there were none."""
    found: list[Stretch] = []
    for event in events:
        if event.source != "test" or event.board != board:
            continue
        if event.kind == "start":
            found.append(Stretch(board, str(event.get("name")), event.sequence, None))
        elif event.kind == "end" and found and found[-1].before is None:
            found[-1] = Stretch(board, found[-1].name, found[-1].after, event.sequence + 1)
    return found or [Stretch(board, "the whole timeline", 0, None)]
