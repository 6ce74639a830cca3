"""Small pictures and signs between words: the verdicts of many runs in a row, a rate with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from hil.evidence import Interval
from hil.history.digest import Entry
from hil.history.outcomes import WORST, shown
from hil.history.runs import Result
from hil.report.html.markup import Html, element
from hil.report.html.overview import badge
from hil.report.legible import one_line

_WIDTH, _HEIGHT = 5, 16
_HEIGHTS: Final = {"FAIL": 16, "ERROR": 16, "quarantined": 16, "flaky": 12, "WARN": 8, "pass": 6, "n/a": 2}
"""A verdict is told by its height as well as by its colour."""


def verdict_of(entry: Entry) -> str:
    """The verdict as pages show it: what failed in quarantine is 'quarantined'."""
    return shown(entry.outcome, entry.quarantined)


def verdict(outcome: str, quarantined: bool = False) -> Html:
    """A badge."""
    return badge(shown(outcome, quarantined))


def counts(outcomes: Iterable[tuple[str, int]]) -> Html:
    """A badge for each verdict, with its number, the worst first."""
    found = dict(outcomes)
    badges = [badge(name, f" {found[name]}") for name in WORST if found.get(name)]
    return element("span", badges or "nothing yet", class_="badges")


def why(one: Result | None) -> Html | None:
    """The probable cause, and below it what the test said; None where neither is known."""
    if one is None or not one.why:
        return None
    cause = element("span", one_line(one.cause, 300), class_="cause") if one.cause else None
    return element("span", cause, " ", element("span", one_line(one.reason, 300), class_="reason"), class_="why")


def strip(entries: Sequence[Entry], runs: int) -> Html:
    """A bar for each run, oldest first; a gap where it did not run."""
    paths: dict[str, list[str]] = {}
    for entry in entries:
        name = verdict_of(entry)
        height = _HEIGHTS.get(name, _HEIGHT)
        bar = f"M{entry.run * _WIDTH} {_HEIGHT - height}h{_WIDTH - 1}v{height}h-{_WIDTH - 1}z"
        paths.setdefault(name, []).append(bar)
    drawn = (element("path", d="".join(bars), data_verdict=name) for name, bars in paths.items())
    width = max(1, runs) * _WIDTH
    return element(
        "svg",
        drawn,
        viewBox=f"0 0 {width} {_HEIGHT}",
        width=width,
        height=_HEIGHT,
        preserveAspectRatio="none",
        class_="strip",
        role="img",
        aria_label=_told(entries),
    )


def _told(entries: Sequence[Entry]) -> str:
    if not entries:
        return "no run"
    counted = Counter(verdict_of(entry) for entry in entries)
    told = ", ".join(f"{counted[name]} {name}" for name in WORST if counted[name])
    return f"{len(entries)} runs: {told}; the newest {verdict_of(entries[-1])}"


def interval(rate: Interval, seen: float) -> Html:
    """A line from 0 to 100 %, on it the range of a rate, and a mark at what was seen."""
    low, high = rate.low * 120, rate.high * 120
    return element(
        "svg",
        element("path", d="M1 8H119", class_="whole"),
        element("rect", x=f"{low:.1f}", y=4, width=f"{max(1.0, high - low):.1f}", height=8, rx=2, class_="range"),
        element("path", d=f"M{1 + seen * 118:.1f} 1v14", class_="seen"),
        viewBox="0 0 120 16",
        width=120,
        height=16,
        class_="interval",
        role="img",
        aria_label=f"seen {seen:.0%}, truly {rate}",
    )
