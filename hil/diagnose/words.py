"""Times, counts and lists as people say them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from hil.attempts import Attempt
from hil.retry import classify
from hil.timeline import Event


def span(seconds: float) -> str:
    """A length of time: '38 ms', '1.3 s', '74 s'."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def times(count: int) -> str:
    """'once', 'twice', '5 times'."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def listed(values: Iterable[object], most: int = 4) -> str:
    """'a, b and c'; beyond `most` of them the rest is counted."""
    shown = [str(value) for value in values]
    if len(shown) > most:
        shown = [*shown[: most - 1], f"{len(shown) - most + 1} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def since(earlier: Event, later: Event) -> str:
    """The time between two events."""
    return span(later.monotonic - earlier.monotonic)


def loop(alike: Sequence[Attempt]) -> str:
    """What the device makes of it: that it comes again and again, and how; '' where it did not."""
    if len(alike) < 2:
        return ""
    gaps = [after.began - before.began for before, after in itertools.pairwise(alike)]
    found = classify([max(gap, 0.001) for gap in gaps])
    pace = f"every {span(found.typical)}" if found.kind == "constant" else f"after {listed(map(span, gaps), 5)}"
    whole = span(alike[-1].began - alike[0].began)
    return f" The device connects again {pace}: a loop, {len(alike)} connections in {whole}."
