"""Scenarios that fail now and then on a board, with nothing new about its firmware.

A scenario is **flaky** on a board if, with one and the same firmware, its verdict changed at least twice: it failed
between passes, or passed between failures. One change is none: something broke, or was mended. A test that failed and
passed when it was run again is flaky by itself. Where the bench failed (ERROR) or nothing was judged (n/a), nothing is
known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from hil.evidence import Interval, adjusted, fisher_more, wilson
from hil.history.digest import Entry
from hil.history.outcomes import FAILED, JUDGED
from hil.history.window import Board, Window
from hil.natural_order import natural

#: What part of those that count as mended by newer firmware may not be (Benjamini and Hochberg, over all that were).
_MENDED = 0.05


@dataclass(frozen=True, slots=True)
class Flaky:
    """`failed` of `tries` with this `firmware`, and the range of the rate behind it; `last`: the newest verdict."""

    board: Board
    scenario: str
    firmware: str
    failed: int
    tries: int
    rate: Interval
    changes: int
    last: str
    quarantined: bool


def flaky(window: Window) -> list[Flaky]:
    """All that are flaky with the firmware they have now, those that fail most often first."""
    asked = [one for board, scenario, entries in window.named() for one in _flaky(window, board, scenario, entries)]
    lucky = iter(adjusted([chance for _, chance in asked if chance is not None]))
    found = [one for one, chance in asked if chance is None or next(lucky) > _MENDED]
    return sorted(found, key=lambda one: (-one.rate.low, natural(one.board.name), natural(one.scenario)))


def _flaky(
    window: Window, board: Board, scenario: str, entries: Sequence[Entry]
) -> Iterator[tuple[Flaky, float | None]]:
    """At most one, with the chance that newer firmware passed so often by luck; None where none has run since."""
    judged = [entry for entry in entries if entry.outcome in JUDGED]
    since = 0  # passes with newer firmware
    for firmware, group in reversed([(key, list(g)) for key, g in groupby(judged, key=lambda e: e.firmware)]):
        failed = sum(_failed(entry) for entry in group)
        if failed == 0:
            since += len(group)
            continue
        changes = sum(_failed(a) != _failed(b) for a, b in pairwise(group))
        if changes >= 2 or any(entry.outcome == "flaky" for entry in group):
            found = Flaky(
                board=board,
                scenario=scenario,
                firmware=window.firmware_name(firmware),
                failed=failed,
                tries=len(group),
                rate=wilson(failed, len(group)),
                changes=changes,
                last=judged[-1].outcome,
                quarantined=judged[-1].quarantined,
            )
            yield found, fisher_more(failed, len(group), 0, since) if since else None
        return


def _failed(entry: Entry) -> bool:
    return entry.outcome in FAILED
