"""How a board comes back: what it lost its connection by, and how long it took from when it could return."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hil.timeline import Event

FORBIDDING: Final = ("power-cut", "broker-restart", "black-hole")
"""Disturbances during which no board can be online, and whose beginning is the end of a connection, even where that
shows only later."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What was done to the board, from `begun` to `over` (monotonic seconds; None: not over yet)."""

    what: str
    begun: float
    over: float | None


@dataclass(frozen=True, slots=True)
class Absence:
    """From the end of a connection that was online to the next that is. Monotonic seconds.

    `why`: the disturbance by which it ended, None: none was there. `possible`: from when it could return, which is
    later than `lost` while the disturbance lasts. `back` None: it has not come back.
    """

    lost: float
    possible: float
    back: float | None
    why: str | None
    words: str

    @property
    def seconds(self) -> float | None:
        """How long it took from when it could return."""
        return None if self.back is None else max(0.0, self.back - self.possible)


def disturbances(events: Iterable[Event], board: str) -> list[Disturbance]:
    """What the events `soak` `disturbance` tell."""
    found: dict[int, Disturbance] = {}
    for event in events:
        if (event.source, event.kind, event.board) != ("soak", "disturbance", board):
            continue
        number = event["number"]
        if event["state"] == "begun":
            found[number] = Disturbance(event["what"], event.monotonic, None)
        elif number in found:
            found[number] = Disturbance(found[number].what, found[number].begun, event.monotonic)
    return list(found.values())


def absences(events: Sequence[Event], board: str, grace: float) -> list[Absence]:
    """Each time that the board was online and then was not. `grace`: for so many seconds after its end a disturbance
    may still be why a connection ends, such as by a keep-alive that ran out."""
    known = disturbances(events, board)
    online: set[int] = set()
    ends: dict[int, Event] = {}
    backs: list[tuple[float, int]] = []
    for event in events:
        if event.source != "gateway" or event.board != board:
            continue
        connection = event.get("connection")
        if event.kind == "connack" and event["code"] == 0:
            online.add(connection)
            backs.append((event.monotonic, connection))
        elif event.kind == "close" and connection in online:
            ends[connection] = event
    found = []
    for connection, end in ends.items():
        back = next((when for when, number in backs if number > connection), None)
        found.append(_absence(end, back, known, grace))
    return found


def _absence(end: Event, back: float | None, known: Sequence[Disturbance], grace: float) -> Absence:
    shown = end.monotonic
    causes = [d for d in known if d.begun <= shown and (d.over is None or shown <= d.over + grace)]
    cause = causes[-1] if causes else None
    lost = cause.begun if cause is not None and cause.what in FORBIDDING else shown
    possible = lost
    for one in known:
        # What began before it was back has kept it away, and so has what began before that was over.
        keeps = one.what in FORBIDDING and one.begun <= (possible if back is None else back)
        if keeps and one.over is not None and one.over > possible:
            possible = one.over
    if back is not None:
        possible = min(possible, max(back, lost))
    return Absence(lost, possible, back, None if cause is None else cause.what, f"{end['how']} by {end['by']}")
