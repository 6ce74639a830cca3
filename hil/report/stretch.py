"""The stretch of the timeline that is shown below a failed test: what concerns its board, most of it as it came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.attempts import attempts
from hil.attribution import Attribution
from hil.timeline import Event, render

_CHATTER: Final = {("gateway", "pingreq"), ("gateway", "pingresp"), ("broker", "log"), ("gateway", "puback")}
"""Kinds of events that only crowd it."""
_CONNECTIONS: Final = 12
_EVENTS: Final = 80


def stretch(events: Sequence[Event], board: str, whose: Attribution) -> str:
    """What of `events` concerns one board, or none: its newest connections in words, then the events, merged.

    Each has the number by which a diagnosis names it.
    """
    seen = [e for e in events if whose.of(e) in (None, board) and (e.source, e.kind) not in _CHATTER]
    connections = [f"  {attempt}" for attempt in attempts(seen, board)]
    shown = render(seen, most=_EVENTS, numbered=True)
    return "\n".join([*connections[-_CONNECTIONS:], "", shown]) if connections else shown
