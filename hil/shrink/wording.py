"""What a shrinking came to, in lines for people and as JSON can hold it."""

from __future__ import annotations

from typing import Any

from hil.evidence import lasting
from hil.shrink.shrinking import Ending, Kept, Result
from hil.shrink.tried import Count


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
    if result.removed or result.less:
        found.append(f"what is left of it fails {_count(result.last, confidence)}")
    found += [f"  gone: {', '.join(result.removed)}"] if result.removed else []
    found += [f"  less: {less.name} = {less.now:g} in place of {less.before:g}" for less in result.less]
    found += [f"  {kept.name}: {_why(kept)}" for kept in result.kept]
    if not any("." not in kept.name for kept in result.kept):
        found.append("  no condition is left: the firmware does it by itself")
    tail = "" if result.ending is Ending.SMALLEST else "; not finished, perhaps more could go"
    return [*found, f"{_came_to(result)} after {result.trials} trials{tail}"]


def _came_to(result: Result) -> str:
    parts = len(result.removed) + len(result.kept)
    words = f"{len(result.removed)} of {parts} parts removed"
    return f"{words}, {len(result.less)} number(s) lowered" if result.less else words


def facts(result: Result) -> dict[str, Any]:
    """As JSON can hold it; docs/bisect-and-shrink.md has the keys."""
    return {
        "ending": str(result.ending),
        "removed": list(result.removed),
        "less": [{"name": less.name, "before": less.before, "now": less.now} for less in result.less],
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
