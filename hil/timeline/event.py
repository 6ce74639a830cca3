"""One observation."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Predicate = Callable[["Event"], bool]


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

    def __str__(self) -> str:
        facts = " ".join(f"{k}={shown(v)}" for k, v in self.data.items() if v is not None)
        return f"{self.source}.{self.kind} {facts}".rstrip()


def shown(value: Any, most: int = 80) -> str:
    """A value of an event's data for people: one line of at most `most` characters."""
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{k}={shown(v)}" for k, v in value.items() if v is not None) + "}"
    else:
        text = str(value)
    text = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return text if len(text) <= most else text[: most - 1] + "…"


def plain(value: Any) -> Any:
    """A value as JSON can hold it: bytes become text, or {"base64": ...} where they are none."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
