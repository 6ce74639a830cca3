"""Which events of a long timeline a diagnosis of one stretch needs: so that the rest need not be read."""

from __future__ import annotations

from hil.timeline import Event, Stored

_TALK = frozenset(
    {
        *(("console", "line"), ("broker", "log"), ("monitor", "message"), ("flash", "progress")),
        *(("gateway", kind) for kind in ("publish", "puback", "pubrec", "pubrel", "pubcomp", "pingreq", "pingresp")),
    }
)
"""What there is most of. Of these a cause looks at what lies in the case, a little before it, or on a connection that
was open as it began; of all else also at what came long before: `hil.diagnose.case.Case.history`."""

SHORTLY = 10.0
"""Seconds before a case within which all is looked at: a command to restart, a broker's words at a connection's end."""

_OF_OTHERS = ("connect", "fault")
"""Kinds of events of other boards that matter: who has the same client id, and whether the broker was restarted."""


def looked_at(events: Stored, board: str, first: int, last: int) -> list[Event]:
    """What a diagnosis of `board` looks at for a case of the indices [first, last), in order; all of the case is in it.

    `diagnose` says of these what it would say of all events.
    """
    if first >= last:
        return []

    def own(source: str, kind: str, whose: str | None) -> bool:
        return whose in (None, board) or kind in _OF_OTHERS

    began = events[first].monotonic
    back, _ = events.span(min(began - SHORTLY, _open_since(events, board, first, began)), began)
    quiet = events.window(0, back, lambda source, kind, whose: (source, kind) not in _TALK and own(source, kind, whose))
    return [*quiet, *events.window(back, last, own)]


def _open_since(events: Stored, board: str, first: int, began: float) -> float:
    """When the oldest connection of the board began that was open then; `began` if there was none."""
    opened: dict[object, float] = {}
    ends = ("accept", "close")
    for event in events.window(0, first, lambda source, kind, whose: whose == board and kind in ends):
        if event.kind == "accept":
            opened[event.get("connection")] = event.monotonic
        else:
            opened.pop(event.get("connection"), None)
    return min(opened.values(), default=began)
