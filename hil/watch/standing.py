"""Where each board stands now, folded from the events as they come: power, its connection, the test that runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hil.lanes import BAD, GOOD, ODD, PLAIN
from hil.timeline import Event
from hil.watch.row import Row, value

_STEPS = {"accept": "reaches the gateway", "tls": "has done TLS", "connect": "asks to connect"}
"""What a gateway's event says of how far a connection has come."""


_IN_LOADER = "waits in its ROM loader"


@dataclass
class Standing:
    """`power`: whether it is on, None if nobody said. `link`, in words, with its `tone`, holds `since` (monotonic)."""

    board: str
    power: bool | None = None
    link: str = "no connection yet"
    tone: int = PLAIN
    since: float | None = None
    doing: str = ""
    _connection: Any = field(default=None, repr=False)

    def take(self, row: Row) -> None:
        """Fold one event of this board."""
        event = row.event
        if event.source == "power" and event.kind in ("on", "off"):
            self.power = event.kind == "on"
            self._restarted(event)
        elif event.source == "reset":
            self._restarted(event)
        elif event.source == "test" and event.kind in ("start", "end"):
            self.doing = value(event.get("name")) if event.kind == "start" else ""
        elif event.source in ("flash", "provision"):
            self._writing(event)
        elif event.source == "gateway":
            self._connected(event)

    def _restarted(self, event: Event) -> None:
        if event.kind == "download":
            self._say(event, _IN_LOADER, ODD)
        elif self.link == _IN_LOADER:
            self._say(event, "was restarted" if event.kind != "off" else "no connection yet", PLAIN)

    def _writing(self, event: Event) -> None:
        words = {"flash": "is flashed", "provision": "is provisioned"}[event.source]
        if event.kind == "start":
            self._say(event, words, ODD)
        elif event.kind == "failed":
            self._say(event, f"could not be {words.removeprefix('is ')}", BAD)
        elif event.kind == "done" and self.link == words:
            self._say(event, f"was {words.removeprefix('is ')}", PLAIN)

    def _connected(self, event: Event) -> None:
        kind, connection = event.kind, event.get("connection")
        if kind == "accept":
            self._connection = connection
        if kind in _STEPS:
            self._say(event, _STEPS[kind], PLAIN)
        elif kind == "connack":
            code = event.get("code")
            self._say(event, "online" if code == 0 else f"refused, code {value(code)}", GOOD if code == 0 else BAD)
        elif kind == "tls-failed":
            self._say(event, "fails at TLS", BAD)
        elif kind == "denied":
            self._say(event, f"is denied its {value(event.get('what'))}", BAD)
        elif kind == "close" and connection == self._connection and self.tone != BAD:
            self._say(event, "offline", ODD if event.get("how") != "disconnect" else PLAIN)

    def _say(self, event: Event, words: str, tone: int) -> None:
        self.link, self.tone, self.since = words, tone, event.monotonic
