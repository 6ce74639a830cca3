"""What passed once and fails now: since which run and which firmware.

Two kinds. **broken**: it fails now, and has in every run since the last good one. `chance` says how probable so many
failures in a row are at the rate at which it failed before: a scenario that fails one night in five anyway is nothing
new when it fails once. **worse**: it fails now and then, more often since a firmware than before, by Fisher's exact
test; of the firmware changes in the window the clearest counts, and how many there were is paid for, and so is over how
many scenarios and boards was looked (Benjamini and Hochberg).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from hil.evidence import adjusted, fisher_more
from hil.history.digest import Entry
from hil.history.window import Board, Run, Window

SURE: Final = 0.05
"""The chance up to which something counts as a regression."""

_JUDGED: Final = ("pass", "WARN", "flaky", "FAIL")


@dataclass(frozen=True, slots=True)
class Regression:
    """`since`: the first run that failed, with `firmware`; `good`: the last one before that did not, with its firmware.

    `good` None: within the window there is none. `failed` of `tries` since then, `failed_before` of `tries_before`.
    """

    kind: Literal["broken", "worse"]
    board: Board
    scenario: str
    since: Run
    firmware: str
    good: Run | None
    good_firmware: str
    failed: int
    tries: int
    failed_before: int
    tries_before: int
    chance: float
    quarantined: bool

    @property
    def new_firmware(self) -> bool:
        """Whether it began with another firmware than the last good run had."""
        return self.good is not None and self.firmware != self.good_firmware

    @property
    def sure(self) -> bool:
        """Whether it is more than what happened before as well."""
        return self.good is not None and self.chance <= SURE


def regressions(window: Window) -> list[Regression]:
    """All there are: what is sure first, then by how new it is."""
    found, splits = list[Regression](), list[tuple[Regression | None, float]]()
    for board, scenario, entries in window.named():
        judged = [entry for entry in entries if entry.outcome in _JUDGED]
        if not judged:
            continue
        if judged[-1].outcome == "FAIL":
            found.append(_broken(window, board, scenario, judged))
        elif len({entry.firmware for entry in judged}) > 1:
            splits.append(_worse(window, board, scenario, judged))
    for (one, _), rate in zip(splits, adjusted([p for _, p in splits]), strict=True):
        if one is not None and rate <= SURE:
            found.append(one)
    return sorted(found, key=lambda one: (not one.sure, one.good is None, -one.since.order, one.board.name))


def _broken(window: Window, board: Board, scenario: str, judged: Sequence[Entry]) -> Regression:
    streak = next((n for n, entry in enumerate(reversed(judged)) if entry.outcome != "FAIL"), len(judged))
    first = len(judged) - streak
    before = judged[:first]
    failed = sum(entry.outcome in ("FAIL", "flaky") for entry in before)
    # Jeffreys' estimate: none of 50 is no certainty that it never fails.
    rate = (failed + 0.5) / (len(before) + 1)
    return _made(window, "broken", board, scenario, judged, first, rate**streak)


def _worse(window: Window, board: Board, scenario: str, judged: Sequence[Entry]) -> tuple[Regression | None, float]:
    """The clearest of the firmware changes, with its p."""
    bounds = [n for n, (a, b) in enumerate(pairwise(judged), 1) if a.firmware != b.firmware]
    bad = [entry.outcome in ("FAIL", "flaky") for entry in judged]
    if not any(bad):
        return None, 1.0
    chances = {n: fisher_more(sum(bad[n:]), len(bad) - n, sum(bad[:n]), n) for n in bounds}
    best = min(chances, key=chances.__getitem__)
    chance = min(1.0, chances[best] * len(bounds))
    return _made(window, "worse", board, scenario, judged, best, chance), chance


def _made(
    window: Window,
    kind: Literal["broken", "worse"],
    board: Board,
    scenario: str,
    judged: Sequence[Entry],
    first: int,
    chance: float,
) -> Regression:
    good = next((entry for entry in reversed(judged[:first]) if entry.outcome in ("pass", "WARN", "flaky")), None)
    since = judged[first]
    return Regression(
        kind=kind,
        board=board,
        scenario=scenario,
        since=window.runs[since.run],
        firmware=window.firmware_name(since.firmware),
        good=window.runs[good.run] if good is not None else None,
        good_firmware=window.firmware_name(good.firmware) if good is not None else "",
        failed=sum(entry.outcome in ("FAIL", "flaky") for entry in judged[first:]),
        tries=len(judged) - first,
        failed_before=sum(entry.outcome in ("FAIL", "flaky") for entry in judged[:first]),
        tries_before=first,
        chance=chance,
        quarantined=judged[-1].quarantined,
    )
