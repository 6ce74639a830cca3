"""The course of one scenario on a board in a terminal: a line for each run, below the firmware that it ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.history import outcomes, wording
from hil.history.listing import COLOURS
from hil.history.questions import Point, Trend
from hil.history.sheet import Sheet, words

_GAP: Final = 2
_BEGAN, _VERDICT, _TOOK = 16, 11, 8
_INDENT: Final = 2
_FIRST: Final = ("time_to_online", "retry_gap", "heap_least", "reconnects")
"""Measurements that are shown before others, where there is no room for all."""


def course(sheet: Sheet, one: Trend) -> None:
    """A heading, the verdicts in a row, and the runs; measurements for which there is no room are left out, and said
    to be."""
    sheet.heading(f"{one.board.name} of rig {one.board.rig}: {one.scenario}")
    sheet.line(f"fails {wording.rate(one.failed, one.tries)}, truly {one.rate}", indent=_INDENT)
    sheet.line(wording.marks([point.outcome for point in one.points]), indent=_INDENT)
    measured = dict.fromkeys(name for point in one.points for name in point.measured)
    names = [*(name for name in _FIRST if name in measured), *(name for name in measured if name not in _FIRST)]
    shown = _fitting(sheet, one, names)
    _head(sheet, shown)
    firmware = None
    for point in one.points:
        if point.firmware != firmware:
            firmware = point.firmware
            sheet.line(words(f"with {firmware}", "bold"), indent=_INDENT)
        _line(sheet, point, shown)
    if len(shown) < len(names):
        left = ", ".join(name for name in names if name not in shown)
        sheet.line(words(f"no room for {left}; --json has all of it", "dim"), indent=_INDENT, hang=2)


def _fitting(sheet: Sheet, one: Trend, names: Sequence[str]) -> dict[str, int]:
    """The measurements for which there is room, with the width of each one's column."""
    found: dict[str, int] = {}
    left = sheet.room(_INDENT * 2 + _BEGAN + _GAP + _VERDICT + _GAP + _TOOK)
    for name in names:
        width = max(max(map(len, _parts(name))), *(len(_value(point, name)) for point in one.points))
        if width + _GAP > left:
            break
        found[name] = width
        left -= width + _GAP
    return found


def _parts(name: str) -> list[str]:
    """A name in two lines, so that it is not much wider than its values: time_to_online as time_to_ and online."""
    at = name.rfind("_", 0, -1) + 1
    return [name[:at], name[at:]] if at else ["", name]


def _value(point: Point, name: str) -> str:
    if name not in point.measured:
        return ""
    value, unit = point.measured[name]
    return f"{wording.figure(value)} {unit}".strip()


def _head(sheet: Sheet, shown: dict[str, int]) -> None:
    if not shown:
        return
    for part in range(2):
        front = ("", "began".ljust(_BEGAN) + " " * _GAP + "verdict".ljust(_VERDICT) + " " * _GAP + "took".rjust(_TOOK))
        line = front[part].ljust(_BEGAN + _VERDICT + _TOOK + 2 * _GAP)
        line += "".join(" " * _GAP + _parts(name)[part].rjust(width) for name, width in shown.items())
        sheet.line(words(line, "dim"), indent=_INDENT * 2)


def _line(sheet: Sheet, point: Point, shown: dict[str, int]) -> None:
    verdict = outcomes.shown(point.outcome, point.quarantined)
    line = words(point.run.name.ljust(_BEGAN + _GAP)) + words(verdict.ljust(_VERDICT), COLOURS.get(verdict, ""))
    line += words(" " * _GAP + f"{point.seconds:.1f} s".rjust(_TOOK))
    line += words("".join(" " * _GAP + _value(point, name).rjust(width) for name, width in shown.items()))
    sheet.line(line, indent=_INDENT * 2)
    told = [(point.reason, COLOURS.get(point.outcome, ""))] if point.reason else []
    for text, style in [*told, *((f"{kind}: {text}", "dim") for kind, text in point.remarks)]:
        sheet.line(words(text, style), indent=_INDENT * 2 + _BEGAN + _GAP)
