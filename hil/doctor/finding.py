"""What the doctor says: one finding a line, each but 'ok' with its cure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`level`: 'ok', 'note' (works, but know this) or 'fault'. `cure` says what to do, for all but 'ok'.

    `about`: what it is said of, such as 'kit-1 port'. `check`: the check that found it, filled in by `examine`.
    """

    level: str
    about: str
    found: str
    cure: str = ""
    check: str = ""


def ok(about: str, found: str) -> Finding:
    """All is well."""
    return Finding("ok", about, found)


def note(about: str, found: str, cure: str) -> Finding:
    """It works, but know this."""
    return Finding("note", about, found, cure)


def fault(about: str, found: str, cure: str) -> Finding:
    """It does not work until it is cured."""
    return Finding("fault", about, found, cure)
