"""Where an event stands in a picture of the timeline: its lane, and how much it asks to be looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hil.report.legible import COLOUR
from hil.timeline import Event

LANES = (
    *("test", "power", "writing", "console", "serial link", "TLS", "MQTT from device", "MQTT to device"),
    *("broker", "monitor", "time server", "faults", "other"),
)
"""From top to bottom."""

ALWAYS = ("power", "console", "TLS", "MQTT from device", "MQTT to device", "broker", "monitor", "time server")
"""Lanes that are drawn even where nothing is in them: that nothing came is what one often looks for."""

PLAIN, GOOD, ODD, BAD = range(4)
"""Tones: nothing special; what one hopes for; worth a look; a failure by itself."""

_ERROR_LINE = re.compile(
    r"^\W*E \(\d+\)|Guru Meditation|\bpanic\b|\babort\(\)|Brownout|assert failed|rst:0x(?!1\b|c\b)", re.IGNORECASE
)
_WARNING_LINE = re.compile(r"^\W*W \(\d+\)")
"""As ESP-IDF prints its log levels."""
_CRASH = re.compile(r"watchdog|brownout|glitch|lock-up|panic|exception|CRC")
"""Reset causes (`hil.boot`) that no firmware brings about on purpose."""


def _console(data: Mapping[str, Any]) -> int:
    text = COLOUR.sub("", str(data.get("text")))
    if _ERROR_LINE.search(text):
        return BAD
    return ODD if _WARNING_LINE.search(text) else PLAIN


def _close(data: Mapping[str, Any]) -> int:
    return PLAIN if data.get("how") == "disconnect" else ODD


def _fault(data: Mapping[str, Any]) -> int:
    return {"applied": ODD, "failed": BAD}.get(str(data.get("state")), PLAIN)


def _boot(data: Mapping[str, Any]) -> int:
    return BAD if _CRASH.search(str(data.get("cause"))) else PLAIN


def _port(data: Mapping[str, Any]) -> int:
    return ODD if data.get("state") == "lost" else PLAIN


def _connack(data: Mapping[str, Any]) -> int:
    return GOOD if data.get("code") == 0 else BAD


def _code(data: Mapping[str, Any]) -> int:
    codes = data.get("codes") or [data.get("code")]
    return BAD if any(isinstance(code, int) and code >= 0x80 for code in codes) else PLAIN


def _stopped(data: Mapping[str, Any]) -> int:
    return PLAIN if data.get("expected") else BAD


_Tone = int | Callable[[Mapping[str, Any]], int]
_DIRECTION = {"up": "MQTT from device", "down": "MQTT to device"}
_EITHER_WAY = ""
"""The lane of what the gateway sees in both directions: the event's own direction says which."""


def _of(source: str, lane: str, kinds: Mapping[str, _Tone]) -> dict[tuple[str, str], tuple[str, _Tone]]:
    return {(source, kind): (lane, tone) for kind, tone in kinds.items()}


KNOWN: Mapping[tuple[str, str], tuple[str, _Tone]] = {
    **_of("test", "test", {"start": PLAIN, "end": PLAIN, "finding": GOOD, "warn": ODD}),
    **_of("soak", "test", {"start": PLAIN, "end": PLAIN, "disturbance": PLAIN, "left-out": ODD}),
    **_of("guardian", "test", {"ended": BAD}),
    **_of("power", "power", {"on": PLAIN, "off": PLAIN}),
    **_of("reset", "power", {"hard": PLAIN, "soft": PLAIN, "download": PLAIN}),
    **_of("board", "power", {"contract": PLAIN, "boot": _boot}),
    **_of("flash", "writing", {"start": PLAIN, "progress": PLAIN, "done": GOOD, "failed": BAD, "firmware": PLAIN}),
    **_of("flash", "writing", {"bootloader": PLAIN, "erase": PLAIN, "write": PLAIN, "not-reset": ODD, "security": ODD}),
    **_of("provision", "writing", {"start": PLAIN, "done": GOOD, "failed": BAD}),
    **_of("console", "console", {"line": _console, "sent": PLAIN, "port": _port}),
    **_of("link", "serial link", {"alive": PLAIN, "connected": GOOD, "left": PLAIN, "dead": ODD, "lost": BAD}),
    **_of("link", "serial link", {"bad-line": ODD, "dropped": ODD, "refused": BAD, "failed": BAD}),
    **_of("gateway", "TLS", {"accept": PLAIN, "hello": PLAIN, "tls": GOOD, "tls-failed": BAD, "tls-stalled": ODD}),
    **_of("gateway", "TLS", {"refused": BAD, "malformed": BAD, "close": _close}),
    **_of("gateway", _DIRECTION["up"], {"connect": PLAIN, "subscribe": PLAIN, "unsubscribe": PLAIN, "pingreq": PLAIN}),
    **_of("gateway", _DIRECTION["up"], {"denied": BAD, "lowered": ODD}),
    **_of("gateway", _DIRECTION["down"], {"connack": _connack, "suback": _code, "unsuback": _code, "pingresp": PLAIN}),
    **_of("gateway", _EITHER_WAY, {"publish": PLAIN, "puback": _code, "pubrec": _code, "pubrel": PLAIN}),
    **_of("gateway", _EITHER_WAY, {"pubcomp": PLAIN, "disconnect": _code, "auth": PLAIN}),
    **_of("broker", "broker", {"started": PLAIN, "joined": PLAIN, "log": PLAIN, "stopped": _stopped}),
    **_of("monitor", "monitor", {"connected": GOOD, "message": PLAIN, "lost": BAD}),
    **_of("time", "time server", {"request": PLAIN, "answer": PLAIN, "malformed": BAD}),
    **{(source, "fault"): ("faults", _fault) for source in ("gateway", "time", "power")},
}
"""Every kind of event that is recorded, by source and kind: its lane and its tone, or what tells the tone of its data.

A new kind of event gets its place here; a test looks for kinds that have none.
"""

_BY_SOURCE = {source: lane for (source, _), (lane, _) in KNOWN.items() if lane in LANES and lane != "faults"}
_BY_SOURCE["gateway"] = "TLS"


def lane(event: Event) -> str:
    """The lane of an event: a name of LANES. A kind that is not known, of another hil, is with its source's others."""
    found = KNOWN.get((event.source, event.kind))
    if found is None:
        return _BY_SOURCE.get(event.source, "other")
    return found[0] or _DIRECTION.get(str(event.get("direction")), "TLS")


def tone(event: Event) -> int:
    """PLAIN, GOOD, ODD or BAD."""
    found = KNOWN.get((event.source, event.kind), ("", PLAIN))[1]
    return found if isinstance(found, int) else found(event.data)
