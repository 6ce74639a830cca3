"""Events as JSON Lines: written by hand for speed, read back by `load`.

A line is an event; but lines of text that came in one read are written together, as one object with "lines" (how many
events it stands for) and their texts joined by newlines.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from hil.timeline.event import Event, plain


def load(path: Path) -> list[Event]:
    """Read back what a timeline wrote. A last line that was cut off by a kill is left out.

    Raises ValueError naming the file and the line for anything else that is not an event.
    """
    return [event for _, event in _read(path)]


def load_by_worker(path: Path) -> dict[str, list[Event]]:
    """Like `load`, but of a timeline that `merge` made, each worker's events by its name; all under "" of any other.

    What one worker saw explains only what became of its own boards: its gateway counts its own connections.
    """
    found: dict[str, list[Event]] = {}
    for worker, event in _read(path):
        found.setdefault(worker, []).append(event)
    return found


def _read(path: Path) -> Iterator[tuple[str, Event]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            worker, events = events_of_line(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise ValueError(f"{path}:{number}: not an event of a timeline ({error})") from error
        for event in events:
            yield worker, event


def events_of_line(line: str) -> tuple[str, list[Event]]:
    """The events that one line of a timeline's file stands for, behind the worker that saw them ("" if none is named).

    Raises ValueError for a line that is no event.
    """
    try:
        raw = json.loads(line)
        moment = raw["monotonic"], raw["wall"]
        about = raw["source"], raw["kind"], raw["board"]
        sequence, data, worker = raw["sequence"], raw["data"], raw.get("worker", "")
        if "lines" in raw:
            texts = enumerate(data["text"].split("\n"), sequence)
            return worker, [Event(at, *moment, *about, {"text": text}) for at, text in texts]
        return worker, [Event(sequence, *moment, *about, restored(data))]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from error


_CONSTANTS: Mapping[bool | None, str] = {None: "null", True: "true", False: "false"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# What JSON does not take as it is in a text, but for the newline: most consoles print none of it.
_NOT_PLAIN = bytes(set(range(32)) - {10}) + b'"\\'


def moment(monotonic: float, wall: float, source: str) -> str:
    """An event's JSON from its time to its kind, as json.dumps would write it, at a third of the time."""
    return f',"monotonic":{monotonic:.6f},"wall":{wall:.6f},"source":{encode_basestring(source)},"kind":'


def about(kind: str, board: str | None) -> str:
    """What follows, up to the data."""
    return f'{encode_basestring(kind)},"board":{"null" if board is None else encode_basestring(board)},"data":'


def members(data: Mapping[str, Any]) -> str:
    """What stands between the braces of `data` as JSON; all that is not nested the quick way."""
    members = []
    for key, value in data.items():
        form = type(value)
        if form is bytes:
            value = plain(value)
            form = type(value)
        if form is str:
            written = encode_basestring(value)
        elif form is int:
            written = str(value)
        elif value is None or form is bool:
            written = _CONSTANTS[value]
        else:
            written = _encode(plain(value))
        members.append(f"{encode_basestring(key)}:{written}")
    return ",".join(members)


def quoted_lines(text: str) -> bytes:
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw.translate(None, _NOT_PLAIN)) == len(raw):
        return b'"' + raw.replace(b"\n", b"\\n") + b'"'
    return encode_basestring(text).encode("utf-8", "backslashreplace")


def restored(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"])
        return {k: restored(v) for k, v in value.items()}
    if isinstance(value, list):
        return [restored(v) for v in value]
    return value
