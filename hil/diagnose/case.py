"""A case: the stretch of a timeline in which something went wrong with one board, in the terms that causes ask in."""

from __future__ import annotations

import itertools
import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hil.attempts import Attempt, End, attempts
from hil.timeline import Event

_STARTS = {("power", "on"), ("reset", "hard"), ("reset", "soft")}
_STOPS = _STARTS | {("power", "off"), ("reset", "download"), ("board", "boot"), ("flash", "start")}

_EXCUSE_NOTHING = ("resumption",)
"""Injected faults that no handshake fails for: a server need not resume a session (RFC 8446 section 2.2)."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The time between the end of one connection and the beginning of the next, with nobody having acted between."""

    before: Attempt
    after: Attempt
    seconds: float


class Case:
    """`events` are all of the timeline, oldest first; the case is those from position `after` on, up to `before`.

    `until`: when one stopped looking (monotonic seconds); the last event's time without. What came before the case is
    known, too: a board that has connected well before cannot have a wrong address.
    """

    def __init__(
        self,
        events: Sequence[Event],
        board: str,
        *,
        after: int = 0,
        before: int | None = None,
        until: float | None = None,
    ) -> None:
        self.board = board
        numbers = [event.sequence for event in events]
        last = len(events) if before is None else bisect_left(numbers, before)
        first = min(bisect_left(numbers, after), last)
        self.everything = list(events[:last])
        self.events = [e for e in events[first:last] if e.board == board]
        self.unattributed = [e for e in events[first:last] if e.board is None]
        self.history = [e for e in events[:first] if e.board == board]
        self.began = events[first].monotonic if first < last else 0.0
        self.until = max(until or 0.0, events[last - 1].monotonic if first < last else 0.0)

    # -- what was promised -----------------------------------------------------------------------------------------

    @cached_property
    def contract(self) -> Mapping[str, Any]:
        """What the firmware promises; empty where the timeline does not say."""
        told = [e for e in (*self.history, *self.events) if (e.source, e.kind) == ("board", "contract")]
        return told[-1].data if told else {}

    def promised(self, *keys: str, default: Any = None) -> Any:
        """A value of the contract: `promised("retry", "most")`; `default` where nothing is promised."""
        value: Any = self.contract
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return default if value is None else value

    @property
    def keep_alive(self) -> float:
        """Seconds, as the last CONNECT said, or as promised; 0: none."""
        connect = self.last("gateway", "connect")
        return float(connect["keep_alive"] if connect is not None else self.promised("keep_alive", default=0))

    @property
    def longest_pause(self) -> float:
        """Seconds for which good firmware may stay away between two tries."""
        return float(self.promised("retry", "most", default=60.0))

    @property
    def connect_timeout(self) -> float:
        """Seconds after which it gives up a handshake or the wait for CONNACK; 30 where nothing is promised."""
        return float(self.promised("connect_timeout", default=30.0))

    # -- what was seen ---------------------------------------------------------------------------------------------

    def all(self, source: str, kind: str | None = None, **data: Any) -> list[Event]:
        """The board's events of that source and kind in the case, with that data."""
        return _pick(self.events, source, kind, data)

    def last(self, source: str, kind: str | None = None, **data: Any) -> Event | None:
        """The newest of them."""
        found = self.all(source, kind, **data)
        return found[-1] if found else None

    def earlier(self, source: str, kind: str | None = None, **data: Any) -> list[Event]:
        """The same of what came before the case."""
        return _pick(self.history, source, kind, data)

    def between(self, start: float, end: float) -> list[Event]:
        """The board's events of the case in that time, both ends included."""
        return [e for e in self.events if start <= e.monotonic <= end]

    @cached_property
    def attempts(self) -> list[Attempt]:
        """The connections that were open during the case, whole, oldest first."""
        found = attempts((*self.history, *self.events), self.board)
        return [a for a in found if a.ended is None or a.ended >= self.began]

    @cached_property
    def accepted(self) -> list[Attempt]:
        """Those that got a CONNACK 0."""
        return [attempt for attempt in self.attempts if attempt.accepted_by_broker]

    def ended(self, *ends: End) -> list[Attempt]:
        """Those that ended so, and that no injected fault had a hand in."""
        return [a for a in self.attempts if a.end in ends and self._blameless(a)]

    def _blameless(self, attempt: Attempt) -> bool:
        return all(fault.get("name") in _EXCUSE_NOTHING for fault in self.faults(attempt))

    def taken_over(self, attempt: Attempt) -> bool:
        """Whether somebody connected with the same client id: by the gateway's word, or by the broker's log."""
        close = attempt.events[-1]
        if close.kind != "close" or close["by"] != "broker":
            return False
        return close["how"] == "takeover" or any(
            "already connected" in str(e.get("text")) and abs(e.monotonic - close.monotonic) < 0.5
            for e in self.everything
            if (e.source, e.kind) == ("broker", "log") and e.board in (None, self.board)
        )

    def lasted(self, attempt: Attempt) -> float:
        """Seconds that a connection was open, as far as one looked."""
        return (self.until if attempt.ended is None else attempt.ended) - attempt.began

    # -- what was done to it ---------------------------------------------------------------------------------------

    @cached_property
    def _applied(self) -> dict[int, list[Event]]:
        found: dict[int, list[Event]] = {}
        for event in (*self.history, *self.events):
            if event.kind == "fault" and event.get("state") == "applied" and event.get("connection") is not None:
                found.setdefault(event["connection"], []).append(event)
        return found

    def faults(self, attempt: Attempt, *names: str) -> list[Event]:
        """The injected faults that this connection met; only those of these names, if any are given."""
        found = self._applied.get(attempt.connection, [])
        return [e for e in found if not names or e.get("name") in names]

    def injected(self, *names: str) -> list[Event]:
        """Where faults of these names met the board in the case."""
        return [e for e in self.events if e.kind == "fault" and e.get("state") == "applied" and e.get("name") in names]

    @cached_property
    def starts(self) -> list[Event]:
        """When somebody switched it on or reset it. Switching on what has power already starts nothing."""
        found, powered = [], False
        for event in (*self.history, *self.events):
            if event.source == "power" and event.kind in ("on", "off"):
                powered, before = event.kind == "on", powered
                if before:
                    continue
            if (event.source, event.kind) in _STARTS:
                found.append(event)
        return [event for event in found if event.sequence >= self.events[0].sequence] if self.events else []

    @cached_property
    def boots(self) -> list[Event]:
        """Each time its ROM spoke."""
        return self.all("board", "boot")

    def is_off(self, at: float) -> bool:
        """Whether its supply was cut then, as far as one knows."""
        switched = [e for e in (*self.history, *self.events) if e.source == "power" and e.monotonic <= at]
        switched = [e for e in switched if e.kind in ("on", "off")]
        return bool(switched) and switched[-1].kind == "off"

    def is_lent(self, at: float) -> bool:
        """Whether a tool had its serial line then: it was in its loader."""
        ports = [e for e in (*self.history, *self.events) if (e.source, e.kind) == ("console", "port")]
        last = next((e for e in reversed(ports) if e.monotonic <= at), None)
        return last is not None and str(last.get("reason")).startswith("lent")

    def undisturbed(self, start: float, end: float) -> bool:
        """Whether it kept its power, and was neither reset nor booted between, nor in a tool's hands."""
        acted = any((e.source, e.kind) in _STOPS and start < e.monotonic < end for e in self.events)
        return not acted and not self.is_off(start) and not self.is_lent(end)

    @cached_property
    def quiet_since(self) -> float:
        """Until when one may blame the board for silence: the end of looking, or when its power was cut for good."""
        off = [e for e in self.events if e.source == "power" and e.kind == "off"]
        on = [e for e in self.events if e.source == "power" and e.kind == "on"]
        if off and (not on or on[-1].sequence < off[-1].sequence):
            return off[-1].monotonic
        return self.until

    # -- what follows from it --------------------------------------------------------------------------------------

    @cached_property
    def pauses(self) -> list[Pause]:
        """How long it waited before each new try, where nobody switched or reset it meanwhile."""
        found = []
        for before, after in itertools.pairwise(self.attempts):
            if before.ended is None or before.end is End.DISCONNECTED or after.began <= before.ended:
                continue
            if self.undisturbed(before.began, after.began):
                found.append(Pause(before, after, after.began - before.ended))
        return found

    def boot_of(self, attempt: Attempt) -> int:
        """A number that is the same for all connections between two starts of the board."""
        known = (*self.history, *self.events)
        return sum(1 for e in known if (e.source, e.kind) in _STARTS and e.monotonic <= attempt.began)

    def signs_of_life(self, start: float) -> list[Event]:
        """Whatever the board itself did after that time: console lines, requests for the time, connections, packets."""
        own = {("console", "line"), ("time", "request"), ("gateway", "accept"), ("board", "boot")}
        up = {"connect", "subscribe", "pingreq", "unsubscribe"}
        return [
            e
            for e in self.events
            if e.monotonic > start
            and ((e.source, e.kind) in own or (e.source == "gateway" and (e.kind in up or e.get("direction") == "up")))
        ]


def _pick(events: Iterable[Event], source: str, kind: str | None, data: Mapping[str, Any]) -> list[Event]:
    return [
        e
        for e in events
        if e.source == source and (kind is None or e.kind == kind) and all(e.get(k) == v for k, v in data.items())
    ]


def of(attempt: Attempt, kind: str, **data: Any) -> list[Event]:
    """The events of that kind on one connection, with that data."""
    return [e for e in attempt.events if e.kind == kind and all(e.get(k) == v for k, v in data.items())]


def first(attempt: Attempt, kind: str, **data: Any) -> Event | None:
    """The first of them."""
    return next(iter(of(attempt, kind, **data)), None)


def published(attempt: Attempt, topic: str | None = None, direction: str = "up") -> list[Event]:
    """The messages on one connection; 'up' are the device's."""
    found = of(attempt, "publish", direction=direction)
    return found if topic is None else [e for e in found if e["topic"] == topic]


def size(event: Event) -> int:
    """Bytes of a message's payload."""
    payload = event.get("payload")
    if isinstance(payload, Mapping):  # base64, as in a timeline's file
        return len(str(payload.get("base64", ""))) * 3 // 4
    return len(payload.encode()) if isinstance(payload, str) else len(payload or b"")


def field_of(message: Event, field: str) -> int | None:
    """A whole number in a message's JSON; None where there is none."""
    payload: Any = message.get("payload")
    if isinstance(payload, bytes):
        payload = payload.decode("utf-8", "replace")
    try:
        value = json.loads(payload).get(field)
    except (TypeError, ValueError, AttributeError):
        return None
    return value if isinstance(value, int) else None
