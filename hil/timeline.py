"""Everything that is seen anywhere on the bench, in order, on one clock.

Consoles, power switches, the gateway, the broker, the monitor and the time server each run in a thread of their
own and meet here, and nowhere else. A test records nothing by hand: it waits for events, or asserts that none came.

    mark = timeline.mark()
    board.power_cycle()
    timeline.wait(where("gateway", "connect", board="esp32-a"), timeout=10, after=mark)

The timeline knows nobody else in this package.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

Predicate = Callable[["Event"], bool]
Listener = Callable[["Event"], None]
About = tuple[str | None, str | None, str | None]
Row = tuple[str, Mapping[str, Any]]
"""Kind and data of an event that is still to be recorded."""


@dataclass(frozen=True, slots=True)
class Event:
    """One observation.

    `sequence` counts from 0 and is the order of record. `monotonic` is time.monotonic() in seconds, for arithmetic;
    `wall` is seconds since 1970 by this host's clock, for people. `source` says who saw it ('gateway', 'console'),
    `kind` what happened ('connect', 'line'), `board` on which board, if that is known. `data` holds plain values:
    str, int, float, bool, None, bytes, and lists or dicts of these.
    """

    sequence: int
    monotonic: float
    wall: float
    source: str
    kind: str
    board: str | None
    data: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.data.get(key, default)

    def as_json(self) -> dict[str, Any]:
        """The event as the JSON Lines file holds it; bytes become text, or {"base64": ...} where they are none."""
        return {
            "sequence": self.sequence,
            "monotonic": round(self.monotonic, 6),
            "wall": round(self.wall, 6),
            "source": self.source,
            "kind": self.kind,
            "board": self.board,
            "data": _plain(self.data),
        }

    def __str__(self) -> str:
        facts = " ".join(f"{k}={_short(v)}" for k, v in self.data.items() if v is not None)
        return f"{self.source}.{self.kind} {facts}".rstrip()


class Match:
    """A predicate on events that can say in words what it looks for. Made by `where`; `|` joins two.

    `about` is the (source, kind, board) that it looks for, None for any: what lets a search pass by a thousand
    console lines at once when it looks for something else.
    """

    def __init__(self, test: Predicate, words: str, about: About = (None, None, None)) -> None:
        self._test = test
        self._words = words
        self.about = about

    def __call__(self, event: Event) -> bool:
        return self._test(event)

    def __or__(self, other: Match) -> Match:
        return Match(lambda e: self(e) or other(e), f"{self} or {other}")

    def __str__(self) -> str:
        return self._words

    __repr__ = __str__


def where(source: str | None = None, kind: str | None = None, board: str | None = None, /, **data: Any) -> Match:
    """Match events by source, kind, board and data. None matches anything.

    A data value is compared with ==, or called with the event's value if it is callable:
    `where("gateway", "publish", "esp32-a", topic="devices/a/status", payload=lambda p: b"on" in p)`.
    A key that the event does not have is None. A predicate that raises TypeError on a value does not match it.
    """

    def test(event: Event) -> bool:
        if source is not None and event.source != source:
            return False
        if kind is not None and event.kind != kind:
            return False
        if board is not None and event.board != board:
            return False
        return all(_agrees(wanted, event.data.get(key)) for key, wanted in data.items())

    words = f"{source or 'any source'}.{kind or 'any kind'}"
    if board is not None:
        words += f" of {board}"
    if data:
        words += " with " + ", ".join(
            f"{k} as {getattr(v, '__name__', 'asked')}" if callable(v) else f"{k}={_short(v)}" for k, v in data.items()
        )
    return Match(test, words, (source, kind, board))


class NoSuchEvent(AssertionError):
    """`Timeline.wait` ran out of time. The message holds the stretch of the timeline that was searched."""


class UnwantedEvent(AssertionError):
    """`Timeline.never` met the event that must not come. The message holds the stretch up to it."""


class TimelineClosed(RuntimeError):
    """Somebody waited on a timeline whose bench has closed."""


class _Burst:
    """Many events of one moment, source and board, kept as they came until somebody looks at them."""

    __slots__ = ("board", "count", "monotonic", "source", "start", "wall")

    def __init__(self, start: int, count: int, source: str, board: str | None) -> None:
        self.start = start
        self.count = count
        self.source = source
        self.board = board
        self.monotonic = time.monotonic()
        self.wall = time.time()

    def events(self) -> list[Event]:
        raise NotImplementedError

    def as_json(self) -> bytes:
        raise NotImplementedError

    def has_kind(self, kind: str) -> bool:
        raise NotImplementedError

    def may_fit(self, match: Predicate | None) -> bool:
        """False if no event of these can match: so that they need not be made to ask."""
        if not isinstance(match, Match):
            return True
        source, kind, board = match.about
        return source in (None, self.source) and board in (None, self.board) and (kind is None or self.has_kind(kind))


class _Lines(_Burst):
    """Events that differ in their text alone: one text, with newlines between."""

    __slots__ = ("kind", "text")

    def __init__(self, start: int, source: str, kind: str, board: str | None, text: str) -> None:
        super().__init__(start, text.count("\n") + 1, source, board)
        self.kind = kind
        self.text = text

    def events(self) -> list[Event]:
        return [
            Event(sequence, self.monotonic, self.wall, self.source, self.kind, self.board, {"text": line})
            for sequence, line in enumerate(self.text.split("\n"), self.start)
        ]

    def as_json(self) -> bytes:
        moment = _moment(self.monotonic, self.wall, self.source)
        head = f'{{"sequence":{self.start},"lines":{self.count}{moment}{_about(self.kind, self.board)}'
        return head.encode("utf-8", "backslashreplace") + b'{"text":' + _quoted_lines(self.text) + b"}}\n"

    def has_kind(self, kind: str) -> bool:
        return kind == self.kind


class _Batch(_Burst):
    """Events that each have a kind and data of their own."""

    __slots__ = ("rows",)

    def __init__(self, start: int, source: str, board: str | None, rows: Sequence[Row]) -> None:
        super().__init__(start, len(rows), source, board)
        self.rows = rows

    def events(self) -> list[Event]:
        return [
            Event(sequence, self.monotonic, self.wall, self.source, kind, self.board, data)
            for sequence, (kind, data) in enumerate(self.rows, self.start)
        ]

    def as_json(self) -> bytes:
        moment = _moment(self.monotonic, self.wall, self.source)
        lines = [
            f'{{"sequence":{sequence}{moment}{_about(kind, self.board)}{{{_members(data)}}}}}\n'
            for sequence, (kind, data) in enumerate(self.rows, self.start)
        ]
        return "".join(lines).encode("utf-8", "backslashreplace")

    def has_kind(self, kind: str) -> bool:
        return any(kind == one for one, _ in self.rows)


class _Record:
    """The events in order of sequence: lists of events, and bursts that become such a list when they are read."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._parts: list[list[Event] | _Burst] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, event: Event) -> None:
        if not self._parts or isinstance(self._parts[-1], _Burst):
            self._starts.append(self._length)
            self._parts.append([])
        part = self._parts[-1]
        assert isinstance(part, list)
        part.append(event)
        self._length += 1

    def append_burst(self, burst: _Burst) -> None:
        self._starts.append(self._length)
        self._parts.append(burst)
        self._length += burst.count

    def window(self, after: int, before: int | None, match: Predicate | None = None) -> list[Event]:
        """The events of [after, before), less such bursts as `match` cannot fit: what may match, not what does."""
        first, last, _ = slice(after, before).indices(self._length)
        found: list[Event] = []
        if first >= last:
            return found
        for index in range(bisect_right(self._starts, first) - 1, len(self._parts)):
            start = self._starts[index]
            if start >= last:
                break
            part = self._parts[index]
            if isinstance(part, _Burst):
                if not part.may_fit(match):
                    continue
                self._parts[index] = part = part.events()
            if start >= first and start + len(part) <= last:
                found += part
            else:
                found += part[max(0, first - start) : last - start]
        return found


class Timeline:
    """A thread-safe, append-only list of events that wakes its waiters at once.

    `path`: where to write JSON Lines while it happens (created with mode 0600), or None to keep it in memory only.
    Each line is flushed to the operating system as it is written, so it survives a kill of this process. A line is
    an event; but lines of text that came in one read are written together, as one object with "lines" (how many
    events it stands for) and their texts joined by newlines. `load` reads both.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._events = _Record()
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
                head = f'{{"sequence":{event.sequence}{_moment(event.monotonic, event.wall, source)}'
                line = f"{head}{_about(kind, board)}{{{_members(data)}}}}}\n"
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
            burst = _Batch(len(self._events), source, board, rows)
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
            burst = _Lines(len(self._events), source, kind, board, text)
            hearings = self._append(burst)
        return _told(burst, hearings)

    def redact(self, secret: str) -> None:
        """From now on write '[redacted]' wherever `secret` would appear in an event's text. Short ones are refused.

        Of a secret of many lines, such as a key in PEM, each long line is blanked by itself too: a console breaks it
        into lines. Raises ValueError for a secret of fewer than 4 characters: blanking those would blank half the log.
        """
        if len(secret) < 4:
            raise ValueError("a secret of fewer than 4 characters cannot be redacted without damaging the log")
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
        raise NoSuchEvent(f"no {_words(match)} within {timeout:g} s\n{self.excerpt(after=after)}")

    def wait_count(self, match: Predicate, count: int, *, timeout: float, after: int = 0) -> list[Event]:
        """The first `count` matching events; waits up to `timeout` seconds in all. Raises like `wait`."""
        deadline = time.monotonic() + timeout
        found: list[Event] = []
        position = after
        while len(found) < count:
            event = self._first(match, max(0.0, deadline - time.monotonic()), position)
            if event is None:
                raise NoSuchEvent(
                    f"{len(found)} of {count} times {_words(match)} within {timeout:g} s\n{self.excerpt(after=after)}"
                )
            found.append(event)
            position = event.sequence + 1
        return found

    def never(self, match: Predicate, *, seconds: float, after: int = 0) -> None:
        """Pass if nothing matches from position `after` on until `seconds` from now have gone by.

        Raises UnwantedEvent at once when it does.
        """
        found = self._first(match, seconds, after)
        if found is not None:
            raise UnwantedEvent(f"unwanted: {found}\n{self.excerpt(after=after, before=found.sequence + 1)}")

    def excerpt(self, *, after: int = 0, before: int | None = None, most: int = 60) -> str:
        """The stretch as text, a line an event, times in seconds from its first; at most `most` lines, the newest."""
        window = self.events(after=after, before=before)
        return render(window, most=most)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events())

    def __len__(self) -> int:
        return self.mark()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _append(self, burst: _Burst) -> list[tuple[Listener, Event]]:
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
                    raise TimelineClosed(f"the timeline was closed while waiting for {_words(match)}")
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

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


def render(events: Iterable[Event], *, most: int = 60) -> str:
    """Events as aligned text: seconds since the first event, board, source and what it saw."""
    window = list(events)
    if not window:
        return "  (the timeline holds no events here)"
    start = window[0].monotonic
    shown = window[-most:]
    lines = [f"  ... {len(window) - most} earlier events left out"] if len(window) > most else []
    lines += [f"  {e.monotonic - start:9.3f} s  {e.board or '-':<12} {e}" for e in shown]
    return "\n".join(lines)


def load(path: Path) -> list[Event]:
    """Read back what a timeline wrote. A last line that was cut off by a kill is left out.

    Raises ValueError naming the file and the line for anything else that is not an event.
    """
    events = []
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            raw = json.loads(line)
            moment = raw["monotonic"], raw["wall"]
            about = raw["source"], raw["kind"], raw["board"]
            sequence, data = raw["sequence"], raw["data"]
            if "lines" in raw:
                texts = enumerate(data["text"].split("\n"), sequence)
                events += [Event(at, *moment, *about, {"text": text}) for at, text in texts]
            else:
                events.append(Event(sequence, *moment, *about, _restored(data)))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise ValueError(f"{path}:{number}: not an event of a timeline ({error})") from error
    return events


def _told(burst: _Burst, hearings: Iterable[tuple[Listener, Event]]) -> range:
    for listener, event in hearings:
        listener(event)
    return range(burst.start, burst.start + burst.count)


def _agrees(wanted: Any, found: Any) -> bool:
    if not callable(wanted):
        return bool(wanted == found)
    try:
        return bool(wanted(found))
    except TypeError:
        return False


_CONSTANTS: Mapping[bool | None, str] = {None: "null", True: "true", False: "false"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# What JSON does not take as it is in a text, but for the newline: most consoles print none of it.
_NOT_PLAIN = bytes(set(range(32)) - {10}) + b'"\\'


def _moment(monotonic: float, wall: float, source: str) -> str:
    """An event's JSON from its time to its kind, as json.dumps would write it, at a third of the time."""
    return f',"monotonic":{monotonic:.6f},"wall":{wall:.6f},"source":{encode_basestring(source)},"kind":'


def _about(kind: str, board: str | None) -> str:
    """What follows, up to the data."""
    return f'{encode_basestring(kind)},"board":{"null" if board is None else encode_basestring(board)},"data":'


def _members(data: Mapping[str, Any]) -> str:
    """What stands between the braces of `data` as JSON; all that is not nested the quick way."""
    members = []
    for key, value in data.items():
        form = type(value)
        if form is bytes:
            value = _plain(value)
            form = type(value)
        if form is str:
            written = encode_basestring(value)
        elif form is int:
            written = str(value)
        elif value is None or form is bool:
            written = _CONSTANTS[value]
        else:
            written = _encode(_plain(value))
        members.append(f"{encode_basestring(key)}:{written}")
    return ",".join(members)


def _quoted_lines(text: str) -> bytes:
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw.translate(None, _NOT_PLAIN)) == len(raw):
        return b'"' + raw.replace(b"\n", b"\\n") + b'"'
    return encode_basestring(text).encode("utf-8", "backslashreplace")


def _words(match: Predicate) -> str:
    return str(match) if isinstance(match, Match) else f"event that fits {getattr(match, '__name__', match)}"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"])
        return {k: _restored(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_restored(v) for v in value]
    return value


def _short(value: Any, most: int = 80) -> str:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{k}={_short(v)}" for k, v in value.items() if v is not None) + "}"
    else:
        text = str(value)
    text = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return text if len(text) <= most else text[: most - 1] + "…"
