"""What a cause is, and what a diagnosis is. One cause is one declaration: what it is called, what shows it, what to
look at next, and the function that finds it in a case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.timeline import Event

if TYPE_CHECKING:
    from hil.diagnose.case import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a cause's function found in a case.

    `explanation`: for a firmware engineer, with numbers. `evidence`: the events that show it. `confidence`: 0 to 1,
    how surely these events mean this cause. `against`: what speaks against it, or what else could look like this.
    """

    explanation: str
    evidence: Sequence[Event]
    confidence: float
    against: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A way in which a device, or what is around it, can be wrong.

    `slug` names it for good. `shown_by`: what on a timeline shows it, for people. `next_steps`: where to look.
    `symptom`: what it says is often the consequence of something else; it steps back behind any sure cause.
    `outranks`: slugs of causes that look the same from further off, and step back behind this one.
    """

    slug: str
    title: str
    shown_by: str
    next_steps: tuple[str, ...]
    find: Callable[[Case], Found | None]
    symptom: bool = False
    outranks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One probable cause, as found on one timeline. `confidence`: 0 to 1, after the other causes have had their say."""

    cause: str
    title: str
    explanation: str
    evidence: tuple[Event, ...]
    against: tuple[str, ...]
    next_steps: tuple[str, ...]
    confidence: float

    def __str__(self) -> str:
        return f"{self.title} ({self.cause}, {self.confidence:.0%}): {self.explanation}"
