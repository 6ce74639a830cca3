"""A series of figures as a picture in the page itself: SVG made of elements, without a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from hil.evidence import Change
from hil.history import wording
from hil.report.html.markup import Html, element, joined

_WIDTH, _HEIGHT = 400, 140
"""About as many as there are pixels in a column of charts, so that their words are as large as others."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 8, 10, 24
_SPARK: Final = (160, 28)

Scale = Callable[[float], float]


def chart(
    label: str,
    orders: Sequence[int],
    values: Sequence[float],
    names: Sequence[str],
    unit: str,
    change: Change | None = None,
) -> Html:
    """The values over the runs, of which `names` has a name for each order.

    With a `change`: its place and the levels before and after it, or the line of a drift.
    """
    low, high = _reach(values)
    across = _scale(0, max(1, len(names) - 1), _LEFT, _WIDTH - _RIGHT)
    up = _scale(low, high, _HEIGHT - _BOTTOM, _TOP)
    points = [(across(order), up(value)) for order, value in zip(orders, values, strict=True)]
    moved = "" if change is None else f"; {wording.figure(change.before)} before, {wording.figure(change.after)} after"
    figures = f"from {wording.figure(min(values))} to {wording.figure(max(values))} {unit}".strip()
    return element(
        "svg",
        _axes(low, high, up, names, unit),
        [] if change is None else _marked(change, [across(order) for order in orders], up),
        _course(orders, points),
        element("path", d="".join(f"M{x:.1f} {y:.1f}h0" for x, y in points), class_="dots"),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        class_="chart",
        role="img",
        aria_label=f"{label}: {len(values)} values {figures}{moved}",
    )


def spark(label: str, values: Sequence[float], change: Change | None = None) -> Html:
    """The course of the values alone, small; a step's place is marked."""
    width, height = _SPARK
    low, high = _reach(values)
    across, up = _scale(0, max(1, len(values) - 1), 2, width - 2), _scale(low, high, height - 3, 3)
    points = [(across(place), up(value)) for place, value in enumerate(values)]
    at = across(change.at - 0.5) if change is not None else 0.0
    marked = [element("path", d=f"M{at:.1f} 0V{height}", class_="step")] if change and change.kind == "step" else []
    return element(
        "svg",
        marked,
        element("path", d=_line(points), class_="course"),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        class_="spark",
        role="img",
        aria_label=f"{label}: from {wording.figure(values[0])} to {wording.figure(values[-1])}",
    )


def _reach(values: Sequence[float]) -> tuple[float, float]:
    """From where to where the picture goes: a little beyond the values, and some way where all are the same."""
    low, high = min(values), max(values)
    more = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return low - more, high + more


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    reach = (high - low) or 1.0
    return lambda value: start + (value - low) / reach * (end - start)


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _course(orders: Sequence[int], points: Sequence[tuple[float, float]]) -> Html:
    """The line from value to value; over runs that have none, though others in between mostly do, it is broken."""
    steps = [late - early for early, late in pairwise(orders)]
    usual = median(steps) if steps else 1
    solid, broken = list[str](), list[str]()
    for (early, late), step in zip(pairwise(points), steps, strict=True):
        (broken if step > 2 * usual else solid).append(_line([early, late]))
    return joined(
        element("path", d="".join(solid), class_="course") if solid else None,
        element("path", d="".join(broken), class_="course gap") if broken else None,
    )


def _axes(low: float, high: float, up: Scale, names: Sequence[str], unit: str) -> Html:
    ticks = [low + (high - low) * part for part in (0.08, 0.5, 0.92)]
    base = _HEIGHT - 6
    return joined(
        (element("path", d=f"M{_LEFT} {up(tick):.1f}H{_WIDTH - _RIGHT}", class_="grid") for tick in ticks),
        (
            element("text", f"{wording.figure(tick)} {unit}".strip(), x=_LEFT - 6, y=f"{up(tick) + 4:.1f}", class_="up")
            for tick in ticks
        ),
        element("text", names[0] if names else "", x=_LEFT, y=base),
        element("text", names[-1], x=_WIDTH - _RIGHT, y=base, class_="up") if len(names) > 1 else None,
    )


def _marked(change: Change, places: Sequence[float], up: Scale) -> Html:
    if change.kind == "drift":
        middle = (len(places) - 1) / 2
        level = (change.before + change.after) / 2
        ends = [(places[0], level - change.slope * middle), (places[-1], level + change.slope * middle)]
        return element("path", d=_line([(x, up(y)) for x, y in ends]), class_="level")
    at = (places[change.at - 1] + places[change.at]) / 2
    return joined(
        element("path", d=f"M{at:.1f} {_TOP}V{_HEIGHT - _BOTTOM}", class_="step"),
        element("path", d=f"M{places[0]:.1f} {up(change.before):.1f}H{at:.1f}", class_="level"),
        element("path", d=f"M{at:.1f} {up(change.after):.1f}H{places[-1]:.1f}", class_="level"),
    )
