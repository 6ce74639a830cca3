"""Cut the power at an event: in the TLS handshake, between PUBLISH and PUBACK, in mid-flash."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

from hil.power import PowerError
from hil.power.patterns.pattern import Cuttable, Pattern, check_seconds
from hil.schedule import Clockwork, Schedule
from hil.timeline import Event, Match

ONCE = Schedule(count=1)


def cut_at(
    board: Cuttable,
    at: Match,
    *,
    off: float | None = 0.5,
    delay: float = 0.0,
    when: Schedule = ONCE,
    within: float = 0.5,
    name: str = "cut-at",
) -> Pattern:
    """Cut the supply `delay` seconds after an event that fits `at`, and restore it `off` seconds later.

    `off` None leaves the board without power, for the test to restore. `when`: which of the events; the next one only,
    unless it says otherwise. What comes between a cut and the restoring is no occasion. `within`: seconds after which
    a cut is told to be late. `name`: what its events are called. Raises, on entering, CannotCut.

    The switch is told some hundred microseconds after the event was recorded, and a virtual board is without power a
    few milliseconds later. Where the window is shorter than that (a broker on the same host acknowledges within one),
    hold it open: `Late("puback", 2)` for a cut between PUBLISH and PUBACK, `StallHandshake` for one in the handshake.
    """
    check_seconds(name, off=off, delay=delay, within=within)
    ear = _Ear(at, when)

    def plan(pattern: Pattern) -> None:
        while (event := ear.next(pattern)) is not None:
            pattern.cut(off, since=event.monotonic, planned=delay, event=event, over=ear.listen_again)

    facts: dict[str, Any] = {"at": str(at), "off": off, "delay": delay}
    if when != ONCE:
        facts["schedule"] = when.facts()
    return Pattern(board, name, plan, facts, within=within, hear=ear.hear)


class _Ear:
    """Picks the events to cut at out of all events, in whatever thread records them."""

    def __init__(self, at: Match, when: Schedule) -> None:
        self._at = at
        self._clockwork = Clockwork(when, time.monotonic())
        self._heard: queue.SimpleQueue[Event | Exception] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._deaf = False  # from an event to the end of its cut

    def hear(self, event: Event) -> None:
        with self._lock:
            if self._deaf:
                return
            try:
                if self._clockwork.note_event(event):
                    return
                if not (self._at(event) and self._clockwork.due(event.monotonic)):
                    return
            except Exception as error:  # a test's predicate must not break whoever records
                self._deaf = True
                self._heard.put(error)
                return
            self._deaf = True
            self._heard.put(event)

    def listen_again(self) -> None:
        with self._lock:
            self._deaf = False

    def next(self, pattern: Pattern) -> Event | None:
        """The next event to cut at; None when there will be none. Raises Stopped, PowerError."""
        while True:
            try:
                found = self._heard.get(timeout=0.05)
            except queue.Empty:
                with self._lock:  # what is being heard just now is in the queue then
                    over = self._clockwork.over(time.monotonic()) and self._heard.empty()
                if over:
                    return None
                pattern.pause(0.0)
                continue
            if isinstance(found, Event):
                return found
            raise PowerError(
                f"power of {pattern.board.name}: cut-at: the match {self._at} failed: {type(found).__name__}: {found}"
            )
