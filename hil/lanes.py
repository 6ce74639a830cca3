"""Where an event stands in a picture of the timeline: its lane, and how much it asks to be looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hil.report.legible import COLOUR
from hil.timeline import Event

LANES = (
    *("test", "power", "writing", "console", "TLS", "MQTT from device", "MQTT to device"),
    *("broker", "monitor", "time server", "faults", "other"),
)
"""From top to bottom."""

ALWAYS = ("power", "console", "TLS", "MQTT from device", "MQTT to device", "broker", "monitor", "time server")
"""Lanes that are drawn even where nothing is in them: that nothing came is what one often looks for."""

PLAIN, GOOD, ODD, BAD = range(4)
"""Tones: nothing special; what one hopes for; worth a look; a failure by itself."""

_BY_SOURCE = {
    **{"test": "test", "soak": "test", "power": "power", "reset": "power", "board": "power"},
    **{"flash": "writing", "provision": "writing", "console": "console", "broker": "broker", "monitor": "monitor"},
    "time": "time server",
}
_OF_GATEWAY = {
    **dict.fromkeys(("accept", "hello", "tls", "tls-failed", "tls-stalled", "refused", "close"), "TLS"),
    **dict.fromkeys(("connect", "subscribe", "unsubscribe", "pingreq", "denied"), "MQTT from device"),
    **dict.fromkeys(("connack", "suback", "unsuback", "pingresp"), "MQTT to device"),
}
_BAD_KINDS = frozenset({"tls-failed", "denied", "refused", "failed", "malformed", "lost", "protocol-error"})
_ODD_KINDS = frozenset({"tls-stalled", "warn", "security", "left-out"})
_GOOD_KINDS = frozenset({"tls", "done", "connected", "finding"})

_ERROR_LINE = re.compile(
    r"^\W*E \(\d+\)|Guru Meditation|\bpanic\b|\babort\(\)|Brownout|assert failed|rst:0x(?!1\b|c\b)", re.IGNORECASE
)
_WARNING_LINE = re.compile(r"^\W*W \(\d+\)")
"""As ESP-IDF prints its log levels."""


def lane(event: Event) -> str:
    """The lane of an event: a name of LANES."""
    if event.kind == "fault":
        return "faults"
    if event.source == "gateway":
        direction = {"up": "MQTT from device", "down": "MQTT to device"}.get(str(event.get("direction")), "TLS")
        return _OF_GATEWAY.get(event.kind, direction)
    return _BY_SOURCE.get(event.source, "other")


def tone(event: Event) -> int:
    """PLAIN, GOOD, ODD or BAD."""
    if event.kind in _BAD_KINDS:
        return BAD
    if event.kind in _ODD_KINDS:
        return ODD
    judge = _JUDGES.get((event.source, event.kind))
    if judge is not None:
        return judge(event.data)
    return GOOD if event.kind in _GOOD_KINDS else PLAIN


def _console(data: Mapping[str, Any]) -> int:
    text = COLOUR.sub("", str(data.get("text")))
    if _ERROR_LINE.search(text):
        return BAD
    return ODD if _WARNING_LINE.search(text) else PLAIN


def _close(data: Mapping[str, Any]) -> int:
    return PLAIN if data.get("how") == "disconnect" else ODD


def _fault(data: Mapping[str, Any]) -> int:
    return ODD if data.get("state") == "applied" else PLAIN


def _connack(data: Mapping[str, Any]) -> int:
    return GOOD if data.get("code") == 0 else BAD


def _code(data: Mapping[str, Any]) -> int:
    codes = data.get("codes") or [data.get("code")]
    return BAD if any(isinstance(code, int) and code >= 0x80 for code in codes) else PLAIN


def _stopped(data: Mapping[str, Any]) -> int:
    return PLAIN if data.get("expected") else BAD


_JUDGES: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], int]] = {
    ("console", "line"): _console,
    ("gateway", "close"): _close,
    ("gateway", "fault"): _fault,
    ("time", "fault"): _fault,
    ("power", "fault"): _fault,
    ("gateway", "connack"): _connack,
    ("gateway", "suback"): _code,
    ("gateway", "puback"): _code,
    ("gateway", "disconnect"): _code,
    ("broker", "stopped"): _stopped,
}
