"""What the page needs to show one test: compressed, and unpacked by the browser only when the test is opened.

A chunk is JSON, deflated (RFC 1951) and in base64, whose alphabet no HTML parser can stumble over. Events stand in it
as columns: `t`, microseconds since the one before; `k`, an index into `kinds` (source, kind, row of `lanes`, tone);
`s`, the difference of sequence numbers; `d`, an index into `texts`: '=' and the event's text, where that is all its
data, or else its data as JSON.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hil.diagnose import Diagnosis
from hil.lanes import ALWAYS, LANES, lane, tone
from hil.report.html.spans import Span, spans, spans_outside
from hil.report.outside import Outside
from hil.report.results import Result
from hil.report.runs import Run
from hil.report.summary import reasons
from hil.timeline import Event

LONGEST_TEXT = 4096
"""Characters of the longest text of an event that the page holds; the timeline's file has all of it."""

TITLE = "Outside of tests"
_ABOUT = (
    "What was seen of this board before its first test, between tests and after the last: set-up, flashing, tear-down. "
    "The tests are bars in the lane of the test."
)

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class Packed(NamedTuple):
    """A chunk as text that may stand anywhere in HTML, and the numbers of its first and last event; -1: it has none."""

    text: str
    first: int
    last: int


def packed(told: Mapping[str, Any]) -> Packed:
    """A chunk, ready for the page."""
    return Packed(pack(told), told["s"][0] - 1 if told["s"] else -1, sum(told["s"]) - 1)


def pack(data: Any) -> str:
    """Plain data as deflated JSON in base64."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    raw = _encode(data).encode("utf-8", "backslashreplace")
    return base64.b64encode(deflate.compress(raw) + deflate.flush()).decode("ascii")


def chunk(run: Run, result: Result) -> dict[str, Any]:
    """A test as plain data; times in microseconds since it began."""
    events = run.events_of(result)
    failed = result.failed_at if result.failed_at is not None else _died(events)
    part = run.part_of(result)
    last = result.phases[-1]
    return {
        **{key: getattr(result, key) for key in ("test", "name", "board", "scenario", "verdict", "about", "worker")},
        "place": f"{result.file}:{result.line + 1}" if result.file and result.line is not None else result.file,
        "began": result.began + (part.wall_offset if part and part.events else last.wall - last.ended),
        "length": _micro(run.ended_of(result) - result.began),
        "failed": None if failed is None else _micro(failed - result.began),
        "phases": [[p.when, p.outcome, p.seconds] for p in result.phases],
        "reasons": _each(reasons(result)),
        "warnings": _each(words for phase in result.phases for words in phase.warnings),
        "findings": _each(words for phase in result.phases for words in phase.findings),
        "failures": [[p.when, p.failure] for p in result.phases if p.failure],
        "sections": [[title, words] for phase in result.phases for title, words in phase.sections],
        "diagnoses": [_diagnosis(one) for one in run.diagnoses(result)],
        **_picture(events, spans(events, result), result.began),
    }


def chunk_outside(found: Outside) -> dict[str, Any]:
    """What was seen of a board outside of its tests, in the form of a test without a verdict."""
    died = _died(found.events)
    return {
        **{"test": "", "name": "", "board": found.board, "scenario": TITLE, "verdict": "", "about": _ABOUT},
        **{"worker": found.part.name or None, "place": ""},
        "began": found.began + found.part.wall_offset,
        "length": _micro(found.ended - found.began),
        "failed": None if died is None else _micro(died - found.began),
        **{key: [] for key in ("phases", "reasons", "warnings", "findings", "failures", "sections", "diagnoses")},
        **_picture(found.events, spans_outside(found), found.began),
    }


def _died(events: Sequence[Event]) -> float | None:
    """When the run was killed, if the guardian had to say so (monotonic seconds)."""
    return next((e.monotonic for e in events if (e.source, e.kind) == ("guardian", "ended")), None)


def _picture(events: Sequence[Event], lasting: Sequence[Span], began: float) -> dict[str, Any]:
    seen = {*ALWAYS, *(lane(event) for event in events), *(span.lane for span in lasting)}
    rows = {name: row for row, name in enumerate(name for name in LANES if name in seen)}
    bars = [_bar(span, rows[span.lane], began) for span in lasting]
    return {"lanes": list(rows), "spans": bars, **_columns(events, began, rows)}


def _each(words: Any) -> list[str]:
    return list(dict.fromkeys(word for word in words if word))


def _micro(seconds: float) -> int:
    return max(0, round(seconds * 1e6))


def _columns(events: Sequence[Event], began: float, rows: Mapping[str, int]) -> dict[str, Any]:
    kinds: dict[tuple[str, str, int, int], int] = {}
    texts: dict[str, int] = {}
    t, k, s, d = [], [], [], []
    before, sequence = 0, -1
    for event in events:
        at = max(before, _micro(event.monotonic - began))
        t.append(at - before)
        before = at
        kind = (event.source, event.kind, rows[lane(event)], tone(event))
        k.append(kinds.setdefault(kind, len(kinds)))
        s.append(event.sequence - sequence)
        sequence = event.sequence
        d.append(texts.setdefault(_text(event.data), len(texts)))
    return {"kinds": list(kinds), "texts": list(texts), "t": t, "k": k, "s": s, "d": d}


def _text(data: Mapping[str, Any]) -> str:
    if len(data) == 1 and isinstance(data.get("text"), str):
        return "=" + _short(data["text"])
    return _encode(_shortened(data)) if data else ""


def _short(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]}… {len(text) - LONGEST_TEXT} more characters: see the timeline's file"


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, bytes):
        return {"bytes": len(value), "hex": _short(value.hex(" "))}
    if isinstance(value, Mapping):
        return {str(k): _shortened(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_shortened(v) for v in value]
    return value


def _bar(span: Span, row: int, began: float) -> list[Any]:
    ended = None if span.ended is None else _micro(span.ended - began)
    return [row, _micro(span.began - began), ended, span.tone, span.label, span.part]


def _diagnosis(one: Diagnosis) -> dict[str, Any]:
    evidence = {event.sequence: str(event) for event in one.evidence}
    return {
        **{key: getattr(one, key) for key in ("cause", "title", "confidence", "explanation")},
        "against": list(one.against),
        "next": list(one.next_steps),
        "evidence": sorted(evidence.items()),
    }
