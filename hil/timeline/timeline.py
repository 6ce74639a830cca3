"""The timeline itself: record, wait, never, between."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hil.timeline.burst import Batch, Burst, Lines, Record, Row
from hil.timeline.event import Event, Predicate
from hil.timeline.jsonl import about, members, moment
from hil.timeline.match import board_of, words_of

Listener = Callable[[Event], None]

SHORTEST_SECRET = 4
"""Characters of the shortest secret that can be blanked: shorter ones stand in half the log by chance."""


class NoSuchEvent(AssertionError):
    """`Timeline.wait` ran out of time. The message holds the stretch that was searched, of the board that was meant."""


class UnwantedEvent(AssertionError):
    """`Timeline.never` met the event that must not come. The message holds the stretch up to it."""


class TimelineClosed(RuntimeError):
    """Somebody waited on a timeline whose bench has closed."""


class Timeline:
    """A thread-safe, append-only list of events that wakes its waiters at once.

    `path`: where to write JSON Lines while it happens (created with mode 0600), or None to keep it in memory only.
    Each line is flushed to the operating system as it is written, so it survives a kill of this process. A line is
    an event; but lines of text that came in one read are written together, as one object with "lines" (how many
    events it stands for) and their texts joined by newlines. `load` reads both.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._events = Record()
        self._secrets: tuple[str, ...] = ()
        self._secret_bytes: tuple[bytes, ...] = ()
        self._changed = threading.Condition()
        self._closed = False
        self._listeners: list[Listener] = []
        self._file: int | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    # -- writing ---------------------------------------------------------------------------------------------------

    def record(self, source: str, kind: str, board: str | None = None, /, **data: Any) -> Event:
        """Append an event, now, and wake every waiter. Safe from any thread. Returns the event."""
        with self._changed:
            if self._secrets:
                data = {k: self._redacted(v) for k, v in data.items()}
            event = Event(len(self._events), time.monotonic(), time.time(), source, kind, board, data)
            self._events.append(event)
            if self._file is not None:
                head = f'{{"sequence":{event.sequence}{moment(event.monotonic, event.wall, source)}'
                line = f"{head}{about(kind, board)}{{{members(data)}}}}}\n"
                self._write(line.encode("utf-8", "backslashreplace"))
            self._changed.notify_all()
            listeners = list(self._listeners)
        for listener in listeners:
            listener(event)
        return event

    def record_all(self, source: str, board: str | None, rows: Sequence[Row]) -> range:
        """Append an event for each (kind, data) of `rows`, in their order, all at once and at one moment.

        Does what as many calls of `record` would, at a small part of their cost: for all that one read brought. The
        rows are the timeline's from now on. Returns their sequence numbers.
        """
        with self._changed:
            if self._secrets:
                rows = [(kind, {k: self._redacted(v) for k, v in data.items()}) for kind, data in rows]
            burst = Batch(len(self._events), source, board, rows)
            hearings = self._append(burst)
        return _told(burst, hearings)

    def record_lines(self, source: str, kind: str, board: str | None, text: str) -> range:
        """Append an event with data {"text": line} for each line of `text`, as `record_all` does.

        Lines are what stands between newlines, so N newlines give N + 1 events. The text is not even taken apart
        before somebody looks: for a console at full speed. Returns their sequence numbers.
        """
        with self._changed:
            for secret in self._secrets:
                if secret in text:
                    text = text.replace(secret, "[redacted]" + "\n" * secret.count("\n"))
            burst = Lines(len(self._events), source, kind, board, text)
            hearings = self._append(burst)
        return _told(burst, hearings)

    def redact(self, secret: str) -> None:
        """From now on write '[redacted]' wherever `secret` would appear in an event's text. Short ones are refused.

        Of a secret of many lines, such as a key in PEM, each long line is blanked by itself too: a console breaks it
        into lines. Raises ValueError for a secret of fewer than SHORTEST_SECRET characters.
        """
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(
                f"a secret of fewer than {SHORTEST_SECRET} characters cannot be redacted without damaging the log"
            )
        pieces = [line.strip() for line in secret.splitlines()] if "\n" in secret.strip() else []
        named = {secret, *(p for p in pieces if len(p) >= 12 and not p.startswith("-----"))}
        with self._changed:
            self._secrets = tuple(sorted(named.union(self._secrets), key=lambda s: (-len(s), s)))
            self._secret_bytes = tuple(s.encode("utf-8", "surrogateescape") for s in self._secrets)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is redacted, longest first: for a log that is written as a stream, where a secret may come in parts."""
        return self._secrets

    def redacted(self, text: str) -> str:
        """`text` without the secrets that were named so far: for logs that are written beside the timeline."""
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return text

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each new event, in the recording thread. Returns a function that ends it.

        A listener must be quick and must not wait on the timeline.
        """
        with self._changed:
            self._listeners.append(listener)

        def stop() -> None:
            with self._changed:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def close(self) -> None:
        """Close the file and wake all waiters with `TimelineClosed`. Closing twice does nothing."""
        with self._changed:
            self._closed = True
            if self._file is not None:
                os.close(self._file)
                self._file = None
            self._changed.notify_all()

    # -- reading ---------------------------------------------------------------------------------------------------

    def mark(self) -> int:
        """The position 'now': events recorded later have this sequence number or a higher one."""
        with self._changed:
            return len(self._events)

    def events(self, match: Predicate | None = None, *, after: int = 0, before: int | None = None) -> list[Event]:
        """All events so far from position `after` up to, not including, `before`, that `match`."""
        with self._changed:
            window = self._events.window(after, before, match)
        return window if match is None else [e for e in window if match(e)]

    def last(self, match: Predicate, *, after: int = 0) -> Event | None:
        """The newest matching event, or None."""
        found = self.events(match, after=after)
        return found[-1] if found else None

    def between(self, first: Event, last: Event, match: Predicate | None = None) -> list[Event]:
        """The events recorded after `first` and before `last`, both left out."""
        return self.events(match, after=first.sequence + 1, before=last.sequence)

    def wait(self, match: Predicate, *, timeout: float, after: int = 0) -> Event:
        """The first matching event from position `after` on; waits up to `timeout` seconds for it to come.

        Raises NoSuchEvent when the time is up, TimelineClosed when the timeline was closed meanwhile.
        """
        found = self._first(match, timeout, after)
        if found is not None:
            return found
        stretch = self.excerpt(after=after, board=board_of(match))
        raise NoSuchEvent(f"no {words_of(match)} within {timeout:g} s\n{stretch}")

    def wait_count(self, match: Predicate, count: int, *, timeout: float, after: int = 0) -> list[Event]:
        """The first `count` matching events; waits up to `timeout` seconds in all. Raises like `wait`."""
        deadline = time.monotonic() + timeout
        found: list[Event] = []
        position = after
        while len(found) < count:
            event = self._first(match, max(0.0, deadline - time.monotonic()), position)
            if event is None:
                stretch = self.excerpt(after=after, board=board_of(match))
                raise NoSuchEvent(f"{len(found)} of {count} times {words_of(match)} within {timeout:g} s\n{stretch}")
            found.append(event)
            position = event.sequence + 1
        return found

    def never(self, match: Predicate, *, seconds: float, after: int = 0) -> None:
        """Pass if nothing matches from position `after` on until `seconds` from now have gone by.

        Raises UnwantedEvent at once when it does.
        """
        found = self._first(match, seconds, after)
        if found is not None:
            stretch = self.excerpt(after=after, before=found.sequence + 1, board=board_of(match))
            raise UnwantedEvent(f"unwanted: {found}\n{stretch}")

    def excerpt(self, *, after: int = 0, before: int | None = None, most: int = 60, board: str | None = None) -> str:
        """The stretch as text, a line an event, times in seconds from its first; at most `most` lines, the newest.

        `board`: of this one and of none; of all without.
        """
        window = self.events(after=after, before=before)
        return render([e for e in window if board is None or e.board in (None, board)], most=most)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events())

    def __len__(self) -> int:
        return self.mark()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _append(self, burst: Burst) -> list[tuple[Listener, Event]]:
        """Keep and write a burst and wake the waiters, the lock being held; returns who has to be told what after."""
        if burst.count:
            self._events.append_burst(burst)
            if self._file is not None:
                self._write(burst.as_json())
            self._changed.notify_all()
        if not self._listeners:
            return []
        events = self._events.window(burst.start, burst.start + burst.count)
        return [(listener, event) for event in events for listener in self._listeners]

    def _write(self, data: bytes) -> None:
        while data and self._file is not None:
            data = data[os.write(self._file, data) :]

    def _first(self, match: Predicate, timeout: float, after: int) -> Event | None:
        deadline = time.monotonic() + timeout
        position = after
        with self._changed:
            while True:
                for event in self._events.window(position, None, match):
                    if match(event):
                        return event
                position = max(position, len(self._events))
                if self._closed:
                    raise TimelineClosed(f"the timeline was closed while waiting for {words_of(match)}")
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                # A Ctrl-C that arrives just before a wait is noticed only when the wait ends: so none is long.
                self._changed.wait(min(left, 1.0))

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redacted(value)
        if isinstance(value, bytes):
            for secret in self._secret_bytes:
                value = value.replace(secret, b"[redacted]")
            return value
        if isinstance(value, Mapping):
            return {k: self._redacted(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._redacted(v) for v in value]
        return value


def render(events: Iterable[Event], *, most: int = 60, numbered: bool = False) -> str:
    """Events as aligned text: seconds since the first event, board, source and what it saw; at most `most`, the newest.

    `numbered`: with their sequence numbers before.
    """
    window = list(events)
    if not window:
        return "  (the timeline holds no events here)"
    start = window[0].monotonic
    shown = window[-most:]
    lines = [f"  ... {len(window) - most} earlier events left out"] if len(window) > most else []
    for event in shown:
        number = f"#{event.sequence:<7}" if numbered else ""
        lines.append(f"  {number}{event.monotonic - start:9.3f} s  {event.board or '-':<12} {event}")
    return "\n".join(lines)


def _told(burst: Burst, hearings: Iterable[tuple[Listener, Event]]) -> range:
    for listener, event in hearings:
        listener(event)
    return range(burst.start, burst.start + burst.count)
