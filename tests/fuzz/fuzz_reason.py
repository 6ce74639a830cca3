"""What must hold for the text of every error that hostile bytes bring about."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 500


def check_reason(reason: object) -> None:
    """That the text of an error is one line, of a length that a report can hold."""
    assert len(str(reason)) < _LONGEST, "an error of endless length"
    assert str(reason).isprintable(), "an error that is not one line"
