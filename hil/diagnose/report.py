"""Diagnoses as text, for the end of a failing test and for `hil diagnose`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from hil.diagnose.cause import Diagnosis
from hil.timeline import Event

_WIDTH = 110
_EVIDENCE = 5


def render(found: Sequence[Diagnosis], *, start: float = 0.0) -> str:
    """Ranked diagnoses as text. `start`: the monotonic time that the evidence's times count from, in seconds."""
    return "\n\n".join(_one(number, diagnosis, start) for number, diagnosis in enumerate(found, 1))


def _one(number: int, diagnosis: Diagnosis, start: float) -> str:
    lines = [f"{number}. {diagnosis.title}  [{diagnosis.cause}, {diagnosis.confidence:.0%}]"]
    lines += _wrapped(diagnosis.explanation, "   ")
    if diagnosis.evidence:
        lines.append("   shown by:")
        lines += [f"     {_event(event, start)}" for event in _in_order(diagnosis.evidence)[:_EVIDENCE]]
    for words in diagnosis.against:
        lines += _wrapped(f"against it: {words}", "   ")
    for words in diagnosis.next_steps:
        lines += _wrapped(f"next: {words}", "   ")
    return "\n".join(lines)


def _in_order(events: Sequence[Event]) -> list[Event]:
    return sorted({event.sequence: event for event in events}.values(), key=lambda e: e.sequence)


def _event(event: Event, start: float) -> str:
    text = f"#{event.sequence} {event.monotonic - start:8.3f} s  {event}"
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
