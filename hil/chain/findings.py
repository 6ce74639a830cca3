"""What is to be said about a chain, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad: devices cannot connect; some cannot, or not for long; good to know."""

    FAULT = "fault"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `about` is a short name for it, such as `expired`; `words` say it all on one line."""

    level: Level
    about: str
    words: str


def fault(about: str, words: str) -> Finding:
    """A finding that keeps devices from connecting."""
    return Finding(Level.FAULT, about, words)


def warning(about: str, words: str) -> Finding:
    """A finding that keeps some devices from connecting, or will before long."""
    return Finding(Level.WARNING, about, words)


def note(about: str, words: str) -> Finding:
    """A finding that is good to know."""
    return Finding(Level.NOTE, about, words)
