"""What a file of the field is: by what stands in it, not by its name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final, Literal

Kind = Literal["timeline", "broker-log", "console", "pcap"]

MOST_BYTES: Final = 64 * 1024 * 1024
"""A larger file is not taken into a case: a part of it, around the failure, says as much."""

_PCAP: Final = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")
"""The first four bytes of pcap in either order, with micro- or nanoseconds, and of pcapng (its section header)."""

_MOSQUITTO: Final = re.compile(
    r"mosquitto version \S+ (starting|running|terminating)|New connection from \S+ on port \d+"
    r"|New client connected from \S+ as|Client \S+ (disconnected|closed its connection|has exceeded timeout)"
    r"|Sending (CONNACK|PUBACK|SUBACK|PINGRESP) to |Received (SUBSCRIBE|PUBLISH|PINGREQ|DISCONNECT) from ",
    re.MULTILINE,
)
_LOOKED_AT: Final = 1 << 20  # bytes: a log may begin long before the lines that tell what it is


class EvidenceError(ValueError):
    """A file that cannot be taken. One line: which, why, and the cure."""


def recognise(path: Path) -> Kind:
    """What the file, or the folder of a run, is. Raises EvidenceError."""
    if path.is_dir():
        if (path / "timeline.jsonl").exists() or (path / "workers").is_dir():
            return "timeline"
        raise EvidenceError(f"{path}: a folder without a timeline.jsonl is no run; name the file in it")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
    except OSError as error:
        raise EvidenceError(f"{path}: {error.strerror}; check its path and its mode") from None
    if size > MOST_BYTES:
        raise EvidenceError(
            f"{path}: has {size >> 20} MB; cut out the part around the failure, {MOST_BYTES >> 20} at most"
        )
    if not start.strip():
        raise EvidenceError(f"{path}: is empty")
    if start[:4] in _PCAP:
        return "pcap"
    if _is_timeline(start):
        return "timeline"
    if b"\0" in start[:4096] and start.count(0) > len(start) // 10:
        raise EvidenceError(f"{path}: is neither text nor a capture; expected a timeline, a log, a pcap or a pcapng")
    return "broker-log" if _MOSQUITTO.search(start.decode("utf-8", "replace")) else "console"


def _is_timeline(start: bytes) -> bool:
    try:
        first = json.loads(start.split(b"\n", 1)[0])
    except ValueError:
        return False
    return isinstance(first, dict) and {"source", "kind"} <= first.keys()
