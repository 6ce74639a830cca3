"""The order in which people count: 'case 2' before 'case 10', 'kit-9' before 'kit-10'."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"([0-9]{1,18})")
"""What is longer is no number that anybody counts by, and int() refuses thousands of digits."""

Key = tuple[tuple[tuple[int, str, int], ...], str]


def natural(text: str) -> Key:
    """A key to sort by: numbers within a text by their value, letters whatever their case, the text itself last."""
    parts = _NUMBER.split(text)
    return tuple(
        (0, "", int(part)) if part[0] in "0123456789" else (1, part.lower(), 0) for part in parts if part
    ), text
