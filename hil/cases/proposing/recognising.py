"""What a file of the field is: by what stands in it, not by its name."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from hil.cases.proposing.from_chain import is_chain

Kind = Literal["timeline", "broker-log", "console", "pcap", "chain"]

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
_GZIP: Final = b"\x1f\x8b"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_PACKED: Final = {b"PK\x03\x04": "unzip", b"\xfd7zXZ\0": "unxz", b"BZh": "bunzip2", b"\x28\xb5\x2f\xfd": "unzstd"}
"""The first bytes of what other packers make, and what unpacks it."""
_NO_TEXT: Final = ("\ufffd", "\0", *map(chr, range(1, 7)))
_MOST_NO_TEXT: Final = 0.15
"""How much of a log may be no text: a port that is opened at the wrong rate, or a boot at 74880 baud, writes some."""
_CUT_OUT: Final = f"; cut out the part around the failure, {MOST_BYTES >> 20} MB at most"
_LOOKED_AT: Final = 1 << 20  # bytes: a log may begin long before the lines that tell what it is


class EvidenceError(ValueError):
    """A file that cannot be taken. One line: which, why, and the cure."""


@dataclass(frozen=True, slots=True)
class FieldFile:
    """A file of the field: what it is, and what is in it, unpacked; of a timeline or a run's folder nothing is read."""

    kind: Kind
    data: bytes = b""

    @property
    def text(self) -> str:
        """A log's text: UTF-8, or UTF-16 where it begins with that mark, as Windows writes what is redirected."""
        if self.data[:2] in _UTF16:
            return self.data.decode("utf-16", "replace")
        return self.data.decode("utf-8-sig", "replace")


def recognise(path: Path) -> FieldFile:
    """What the file, or the folder of a run, is. Raises EvidenceError."""
    if path.is_dir():
        if (path / "timeline.jsonl").exists() or (path / "workers").is_dir():
            return FieldFile("timeline")
        raise EvidenceError(f"{path}: a folder without a timeline.jsonl is no run; name the file in it")
    data = _content(path)
    start = data[:_LOOKED_AT]
    if not start.strip():
        raise EvidenceError(f"{path}: is empty")
    if start[:4] in _PCAP:
        return FieldFile("pcap", data)
    if _is_timeline(start):
        if path.read_bytes()[:2] == _GZIP:
            raise EvidenceError(f"{path}: a timeline that is packed; unpack it with gunzip first")
        return FieldFile("timeline")
    if (packer := next((words for mark, words in _PACKED.items() if start.startswith(mark)), None)) is not None:
        raise EvidenceError(f"{path}: is packed; unpack it with {packer} first, and name what was in it")
    log = FieldFile("console", data)
    words = FieldFile("console", start).text
    if sum(map(words.count, _NO_TEXT)) > _MOST_NO_TEXT * len(words):
        raise EvidenceError(f"{path}: is neither text nor a capture; expected a timeline, a log, a pcap or a pcapng")
    if is_chain(words):
        return replace(log, kind="chain")
    return replace(log, kind="broker-log") if _MOSQUITTO.search(words) else log


def _content(path: Path) -> bytes:
    """What is in a file, or what was packed in it with gzip, as rotated logs are. Raises EvidenceError."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise EvidenceError(f"{path}: is a device or a pipe; write what comes from it into a file first")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise EvidenceError(f"{path}: has {size >> 20} MB{_CUT_OUT}")
        data = path.read_bytes()
        if data[:2] != _GZIP:
            return data
        with gzip.open(path) as file:
            data = file.read(MOST_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise EvidenceError(f"{path}: is packed with gzip, and damaged; fetch it again") from None
    except OSError as error:
        raise EvidenceError(f"{path}: {error.strerror}; check its path and its mode") from None
    if len(data) > MOST_BYTES:
        raise EvidenceError(f"{path}: has more than {MOST_BYTES >> 20} MB once it is unpacked{_CUT_OUT}")
    return data


def _is_timeline(start: bytes) -> bool:
    try:
        first = json.loads(start.split(b"\n", 1)[0])
    except ValueError:
        return False
    return isinstance(first, dict) and {"source", "kind"} <= first.keys()
