"""What a soak has shown, from the timeline alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final

from hil.soak.numbers import Life, delivered, lost, sent
from hil.soak.returns import Absence, absences, disturbances
from hil.timeline import Event

SILENCE: Final = 3.0
"""Telemetry periods without a message that make a gap."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one board. Times in seconds, `heap_*` in bytes.

    `online`: connections that were accepted. `absences`: each time the board was online and then was not. `starts`:
    seconds from each power-on or reset to the next accepted connection, None where the next start came first.
    `boots`: causes of boots that nobody asked for. `gaps`: silences within a connection, longer than three telemetry
    periods. `lives`: what the monitor got between two boots; `sent`: what the gateway got, with the heap.
    """

    board: str
    seconds: float
    disturbed: dict[str, int]
    connections: int
    online: int
    absences: tuple[Absence, ...]
    starts: tuple[float | None, ...]
    boots: tuple[str, ...]
    gaps: tuple[float, ...]
    lives: tuple[Life, ...]
    sent: tuple[Life, ...]

    @property
    def lost(self) -> int:
        """Messages that the monitor never got although a later one of the same life came."""
        return lost(self.lives)

    @property
    def repeated(self) -> int:
        """Messages that the monitor got more than once."""
        return sum(life.repeated for life in self.lives)

    @property
    def received(self) -> int:
        """Messages that the monitor got, each counted once."""
        return sum(len(set(life.numbers)) for life in self.lives)

    @property
    def unexplained(self) -> tuple[Absence, ...]:
        """Connections that ended while nothing was done to the board."""
        return tuple(a for a in self.absences if a.why is None)

    @property
    def away(self) -> bool:
        """Whether the board was online, lost it, and has not come back."""
        return any(a.back is None for a in self.absences[-1:])

    @property
    def returns(self) -> tuple[float, ...]:
        """How long each return took, from when it was possible."""
        return tuple(a.seconds for a in self.absences if a.seconds is not None)

    @property
    def longest_life(self) -> Life | None:
        """The life with most heap figures: where a trend shows best."""
        return max((life for life in self.sent if life.heap), key=lambda life: len(life.heap), default=None)

    def facts(self) -> dict[str, Any]:
        """The figures as plain values, for the timeline."""
        life = self.longest_life
        facts: dict[str, Any] = {
            "seconds": round(self.seconds, 3),
            "disturbed": self.disturbed,
            "connections": self.connections,
            "online": self.online,
            "losses": len(self.absences),
            "unexplained": [a.words for a in self.unexplained],
            "away": self.away,
            "received": self.received,
            "lost": self.lost,
            "repeated": self.repeated,
            "boots": list(self.boots),
            "longest_gap": max(self.gaps, default=None),
        }
        if self.returns:
            facts |= {"return_median": median(self.returns), "return_longest": max(self.returns)}
        if life is not None:
            for name, found in (("second", life.heap_by_time()), ("connection", life.heap_by_connection())):
                facts |= {f"heap_per_{name}": found.slope, f"heap_per_{name}_p": found.p}
        return facts


def measure(events: Sequence[Event], board: str) -> Measures:
    """What `events` show of `board`. Its contract is taken from its `board` `contract` event, which is recorded when a
    bench opens; without one, or without telemetry in it, there are no messages to count."""
    contract = next((e.data for e in events if (e.source, e.kind, e.board) == ("board", "contract", board)), {})
    telemetry = contract.get("telemetry") or {}
    topic, sequence = telemetry.get("topic"), telemetry.get("sequence")
    disturbed: dict[str, int] = {}
    for one in disturbances(events, board):
        disturbed[one.what] = disturbed.get(one.what, 0) + 1
    own = [e for e in events if e.board == board]
    return Measures(
        board=board,
        seconds=_duration([e for e in events if e.kind != "contract"]),
        disturbed=disturbed,
        connections=sum((e.source, e.kind) == ("gateway", "accept") for e in own),
        online=sum(_is_online(e) for e in own),
        absences=tuple(absences(own, board, 1.0 + 1.5 * contract.get("keep_alive", 2))),
        starts=tuple(_starts(own)),
        boots=tuple(_unasked_boots(own)),
        gaps=tuple(_gaps(own, topic, telemetry.get("period", 0.0))) if topic else (),
        lives=tuple(delivered(events, board, topic, sequence)) if topic and sequence else (),
        sent=tuple(sent(events, board, topic, sequence, telemetry.get("heap"))) if topic else (),
    )


def _duration(events: Sequence[Event]) -> float:
    return events[-1].monotonic - events[0].monotonic if events else 0.0


def _is_online(event: Event) -> bool:
    return (event.source, event.kind) == ("gateway", "connack") and event["code"] == 0


def _starts(events: Sequence[Event]) -> list[float | None]:
    found: list[float | None] = []
    since: float | None = None
    for event in events:
        if (event.source, event.kind) in {("power", "on"), ("reset", "hard"), ("reset", "soft")}:
            if since is not None:
                found.append(None)
            since = event.monotonic
        elif _is_online(event) and since is not None:
            found.append(event.monotonic - since)
            since = None
    return found if since is None else [*found, None]


def _unasked_boots(events: Sequence[Event]) -> list[str]:
    found = []
    asked = flashing = False
    for event in events:
        about = (event.source, event.kind)
        if event.source in ("flash", "provision"):
            flashing = event.kind in ("start", "progress")
            asked = True
        elif event.source == "reset" or about == ("power", "on"):
            asked = True
        elif _is_online(event):
            asked = False
        elif about == ("board", "boot") and not flashing:
            if not asked:
                found.append(str(event.get("name")))
            asked = False
    return found


def _gaps(events: Sequence[Event], topic: str, period: float) -> list[float]:
    moments: dict[int, list[float]] = {}
    for event in events:
        if (event.source, event.kind, event.get("direction")) == ("gateway", "publish", "up") and event[
            "topic"
        ] == topic:
            moments.setdefault(event["connection"], []).append(event.monotonic)
    return [b - a for seen in moments.values() for a, b in pairwise(seen) if b - a > SILENCE * period]
