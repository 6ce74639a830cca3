"""What a shrinking came to, in lines for people and as JSON can hold it."""

from __future__ import annotations

from typing import Any

from hil.evidence import lasting
from hil.shrink.shrinking import Count, Ending, Kept, Result


def lines(result: Result, confidence: float) -> list[str]:
    """The counts, and what is left."""
    if result.ending is Ending.NEVER_FAILED:
        return [
            f"nothing to shrink: the whole case failed 0 of {result.whole.tries} times",
            "  see whether firmware and board are those of the field, or give it more trials: --first N",
        ]
    if not result.whole.tries:
        return ["nothing is known: no trial could be run"]
    found = [f"the whole case fails {_count(result.whole, confidence)}"]
    if result.removed:
        found.append(f"without {', '.join(result.removed)} it still fails {_count(result.last, confidence)}")
    found += [f"  {kept.name}: {_why(kept)}" for kept in result.kept]
    if not result.kept:
        found.append("  no condition is left: the firmware does it by itself")
    words = f"{len(result.removed)} of {len(result.removed) + len(result.kept)} conditions removed"
    tail = "" if result.ending is Ending.SMALLEST else "; not finished, perhaps more could go"
    return [*found, f"{words} after {result.trials} trials{tail}"]


def facts(result: Result) -> dict[str, Any]:
    """As JSON can hold it; docs/bisect-and-shrink.md has the keys."""
    return {
        "ending": str(result.ending),
        "removed": list(result.removed),
        "kept": [{"name": kept.name, "needed": kept.needed, "without": _facts(kept.without)} for kept in result.kept],
        "whole": _facts(result.whole),
        "smallest": _facts(result.last),
        "trials": result.trials,
    }


def _count(count: Count, confidence: float) -> str:
    return f"{count.failed} of {count.tries} times ({lasting(count.failed, count.tries, confidence)})"


def _why(kept: Kept) -> str:
    if not kept.without.tries:
        return "kept; nothing was tried without it alone"
    words = f"without it {kept.without.failed} of {kept.without.tries} times"
    return f"needed: {words}" if kept.needed else f"kept in doubt: {words}"


def _facts(count: Count) -> dict[str, int]:
    return {"failed": count.failed, "tries": count.tries, "not_run": count.not_run}
