"""When two events of different trials are the same: what is left of an event without what changes from run to run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hil.timeline import Event
from hil.timeline.event import plain, shown

_VOLATILE = frozenset(
    {
        *("connection", "peer", "packet_id", "seconds", "serial", "port", "offset", "took", "pid", "line", "times"),
        *("elapsed", "not_before", "not_after", "fingerprint", "session", "resumed"),
    }
)
"""Fields of events that count, measure or name something of one run alone."""

_CHATTER = frozenset({("gateway", "pingreq"), ("gateway", "pingresp"), ("gateway", "puback"), ("broker", "started")})
"""Events whose number depends on how long one looks, and nothing else."""

_PING = re.compile(r"\bPING(?:REQ|RESP)\b")
"""The same in mosquitto's log."""

_NUMBER = re.compile(r"-0x[0-9a-fA-F]+|0x[0-9a-fA-F]+|[0-9a-fA-F]*[0-9][0-9a-fA-F]*")
"""A number in a text, decimal or hexadecimal. Negative hexadecimal ones are error codes of TLS stacks, and stay."""

_TEXTS = frozenset({"text", "payload"})
"""Fields whose numbers are times, counts and readings."""


def is_chatter(event: Event) -> bool:
    """Whether it says nothing about the course of a trial."""
    if (event.source, event.kind) == ("broker", "log"):
        return _PING.search(str(event.get("text"))) is not None
    return (event.source, event.kind) in _CHATTER


def facts(event: Event, board: str) -> dict[str, str]:
    """The event's data as two trials share them: the board's name is blanked, and so are numbers in free texts; what
    counts, measures or names something of one run alone is left out."""
    told = {key: _steady(value, board) for key, value in event.data.items() if _counts(key, value)}
    return {key: without_numbers(value) if key in _TEXTS else value for key, value in told.items()}


def without_numbers(text: str) -> str:
    """The text with its numbers blanked, but for error codes of TLS stacks (`-0x2700`)."""
    return _NUMBER.sub(_blank, text)


def _counts(key: str, value: Any) -> bool:
    return key not in _VOLATILE and value is not None


def _steady(value: Any, board: str) -> str:
    value = plain(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}={_steady(v, board)}" for k, v in value.items() if _counts(k, v)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_steady(v, board) for v in value) + "]"
    return re.sub(rf"(?<![\w-]){re.escape(board)}(?![\w-])", "{board}", str(value))


def _blank(number: re.Match[str]) -> str:
    return number[0] if number[0].startswith("-0x") else "#"


def words(event: Event, width: int = 140) -> str:
    """The event in one line, without what names or measures something of one run alone, and without lists."""
    told = {k: v for k, v in event.data.items() if _counts(k, v) and not isinstance(v, list | tuple)}
    return shown(" ".join([f"{event.source}.{event.kind}", *(f"{k}={shown(v, 60)}" for k, v in told.items())]), width)
