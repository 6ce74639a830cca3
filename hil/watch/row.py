"""An event as a line on the screen: made once, when it comes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hil.lanes import lane, tone
from hil.report.legible import legible
from hil.timeline import Event

LONGEST = 1000
"""Characters of the longest line that is shown and searched; the details of an event have all of it."""

SHORT = {
    **{name: name for name in ("test", "power", "writing", "console", "TLS", "broker", "monitor", "faults", "other")},
    **{"MQTT from device": "MQTT ↑", "MQTT to device": "MQTT ↓", "time server": "time", "serial link": "link"},
}
"""The lanes' names in a narrow column. Up is away from the device, as in the gateway's events."""

_TEXTS = {("console", "line"): "", ("console", "sent"): "» ", ("broker", "log"): ""}
"""Events of which the text alone is shown, behind a mark."""


class Row:
    """`key` is its place in the order of time; `worker` saw it, "" where there is but one.

    `board`: whose it is, as `hil.attribution` has it; without, the event's own. `text` is harmless: see
    hil.report.legible. `board` and `lane` are columns of their own. What few rows are asked for is made when it is: of
    a flood most are never seen.
    """

    __slots__ = ("_searched", "_text", "_tone", "board", "event", "key", "lane", "worker")

    def __init__(self, event: Event, worker: str = "", board: str | None = None) -> None:
        self.event = event
        self.worker = worker
        self.key = (event.monotonic, worker, event.sequence)
        whose = event.board if board is None else board
        self.board = None if whose is None else legible(whose, keep="")
        self.lane = lane(event)
        self._tone: int | None = None
        self._text: str | None = None
        self._searched: str | None = None

    def prepare(self) -> None:
        """Make what may be asked for, as long as there is time for it: a filter will ask all rows at once."""
        self._tone, self._text = self.tone, self.text

    @property
    def tone(self) -> int:
        """How much it asks to be looked at: see hil.lanes."""
        if self._tone is None:
            self._tone = tone(self.event)
        return self._tone

    @property
    def text(self) -> str:
        """What it says, in one line of at most LONGEST characters."""
        if self._text is None:
            self._text = words(self.event)
        return self._text

    @property
    def searched(self) -> str:
        """What words of a filter are looked for in, in small letters."""
        if self._searched is None:
            event = self.event
            self._searched = f"{self.board or ''} {event.source}.{event.kind} {self.text}".casefold()
        return self._searched


def words(event: Event) -> str:
    """What an event says, in one line of at most LONGEST characters."""
    text = whole(event)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def whole(event: Event) -> str:
    """What an event says, in one line, however long."""
    mark = _TEXTS.get((event.source, event.kind))
    text = event.get("text")
    if mark is not None and isinstance(text, str):
        return mark + _line(text.rstrip("\r\n"))
    if event.source == "monitor" and event.kind == "message":
        flags = " retained" if event.get("retain") else ""
        return f"{value(event.get('topic'))} {value(event.get('payload'))}{flags}"
    facts = " ".join(f"{_line(str(k))}={value(v)}" for k, v in _facts(event) if v is not None)
    return f"{_line(event.kind)} {facts}".rstrip()


def _facts(event: Event) -> Iterable[tuple[str, Any]]:
    """The data in the order in which it is asked for: of packets, what they say before which connection they are of."""
    if event.source != "gateway":
        return event.data.items()
    last = [(key, event.data[key]) for key in ("connection",) if key in event.data]
    return [(k, v) for k, v in event.data.items() if k not in ("connection", "direction")] + last


def value(found: Any) -> str:
    """A value of an event's data in one line, whole and harmless."""
    if isinstance(found, bytes):
        return _line(found.decode("utf-8", "backslashreplace"))
    if isinstance(found, Mapping):
        return "{" + ", ".join(f"{_line(str(k))}={value(v)}" for k, v in found.items() if v is not None) + "}"
    if isinstance(found, list | tuple):
        return "[" + ", ".join(value(one) for one in found) + "]"
    return _line(str(found))


def _line(text: str) -> str:
    return legible(text.replace("\t", "  "), keep="")
