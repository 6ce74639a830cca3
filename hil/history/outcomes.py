"""What a scenario can come to on a board in a run, and what counts as good, as bad, as judged at all. Pure."""

from __future__ import annotations

from typing import Final

GOOD: Final = ("pass", "WARN")
"""WARN: it passed, and something was not as it should be."""

FAILED: Final = ("flaky", "FAIL")
"""The board fell short, if only once: 'flaky' failed, and passed when it was run again."""

JUDGED: Final = (*GOOD, *FAILED)
"""What says something of the board. Where the bench failed (ERROR) or nothing was judged (n/a), nothing is known."""

BROKEN: Final = ("FAIL", "ERROR")
"""What fails a run, unless it is in quarantine."""

AMISS: Final = (*BROKEN, "flaky")
"""What somebody wants to know of, the worst first."""

WORST: Final = ("FAIL", "ERROR", "quarantined", "flaky", "WARN", "pass", "n/a")
"""All that is shown, in the order in which it is told."""


def shown(outcome: str, quarantined: bool) -> str:
    """The outcome as people see it: what failed in quarantine is 'quarantined'."""
    return "quarantined" if quarantined and outcome in BROKEN else outcome
