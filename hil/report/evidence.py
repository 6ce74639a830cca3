"""By which events one knows a cause: their numbers on the run's timeline, in words, for forms that are only text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 6
"""Numbers that are named; of more it is said how many."""


def shown_by(diagnosis: Mapping[str, Any]) -> str:
    """'shown by #812, #813 and 4 more', of a diagnosis as summary.json has it; '' where no event shows it."""
    numbers = [f"#{number}" for number in diagnosis["evidence"]]
    more = f" and {len(numbers) - MOST} more" if len(numbers) > MOST else ""
    return f"shown by {', '.join(numbers[:MOST])}{more}" if numbers else ""
