"""The history's answers in a terminal: lines that can be searched and piped, whatever its width."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from rich.console import Console as Screen
from rich.text import Text

from hil.history import wording
from hil.history.quarantine import Entry
from hil.history.questions import Flaky, Lonely, Regression, Trend
from hil.history.runs import Counts
from hil.history.window import Window
from hil.history.wording import Moved
from hil.timeline.event import shown

_screen = Screen(highlight=False)

_COLOURS = {"pass": "green", "WARN": "yellow", "flaky": "yellow", "FAIL": "red", "ERROR": "red"}


def _line(text: str, style: str = "") -> None:
    """What boards and tests say is text, and neither markup nor an escape sequence."""
    _screen.print(Text(shown(text, 1000), style=style), soft_wrap=True)


def _heading(text: str) -> None:
    _screen.print()
    _line(text, "bold")


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Rows as lines, each column but the last as wide as its widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def about(window: Window, newest: Sequence[Counts]) -> None:
    """What is looked at, and how the newest run went."""
    first, last = window.runs[0], window.runs[-1]
    _line(f"{len(window.runs)} runs, {first.name} to {last.name}")
    for one in newest:
        ended = "" if one.run.ended is not None else " (has not ended)"
        _line(f"the newest, of rig {one.run.rig}: {wording.outcomes(one)}{ended}")


def runs(found: Sequence[Counts]) -> None:
    """A line for each run."""
    rows = [("began", "rig", "host", "results", "ended", "artifacts")]
    for one in found:
        ended = "yes" if one.run.ended is not None else "no"
        rows.append((one.run.name, one.run.rig, one.run.host, wording.outcomes(one), ended, one.run.artifacts))
    for line in _columns(rows):
        _line(line)


def _listed(heading: str, none: str, found: Iterable[tuple[str, str]]) -> None:
    _heading(heading)
    empty = True
    for what, words in found:
        empty = False
        _line(f"  {what}")
        _line(f"      {words}", "dim")
    if empty:
        _line(f"  {none}", "dim")


def regressions(found: Sequence[Regression]) -> None:
    """What is sure first."""
    _listed(
        "Regressions",
        "nothing that passed once fails now",
        (
            (
                f"{one.board.name}: {one.scenario}{wording.mark(one.quarantined)}",
                f"{wording.since(one)}; {wording.certainty(one)}",
            )
            for one in found
        ),
    )


def flaky(found: Sequence[Flaky]) -> None:
    """Those that fail most often first."""
    _listed(
        "Flaky",
        "nothing fails now and then on the same firmware",
        (
            (
                f"{one.board.name}: {one.scenario}{wording.mark(one.quarantined)}",
                f"fails {wording.flakiness(one)}, with {one.firmware}; the newest: {one.last}",
            )
            for one in found
        ),
    )


def boards(found: Sequence[Lonely]) -> None:
    """Boards with trouble of their own."""
    _listed(
        "Boards that fail alone",
        "no board fails more than others that ran the same firmware beside it",
        (
            (
                f"{one.board.name} of rig {one.board.rig}",
                f"{wording.alone(one)}, {wording.chance(one.chance)}; {one.results} results, newest {one.last.name}",
            )
            for one in found
        ),
    )


def drifts(found: Sequence[Moved]) -> None:
    """What has become worse first."""
    _listed(
        "Drifts",
        "no measurement has moved beyond doubt",
        (
            (
                f"{one.drift.board.name}: {one.drift.name}, {one.where}",
                f"{one.direction}: {wording.moved(one.drift)}, {wording.how(one.drift)}, "
                f"{wording.chance(one.drift.chance)}  {wording.bars(one.drift.values)}",
            )
            for one in found
        ),
    )


def quarantine(found: Sequence[Entry], today: datetime.date) -> None:
    """What ends first first."""
    if not found:
        _line("nothing is in quarantine")
        return
    rows = [("until", "board", "scenario", "by", "why")]
    for one in found:
        until = f"{one.until}" if one.holds(today) else f"{one.until} EXPIRED"
        rows.append((until, one.board or "all", one.scenario, one.by, one.why))
    for line in _columns(rows):
        _line(line)


def scenarios(titles: Sequence[str]) -> None:
    """The titles alone."""
    for title in titles:
        _line(title)


def trend(one: Trend) -> None:
    """A scenario on a board, a line for each run."""
    _heading(f"{one.board.name} of rig {one.board.rig}: {one.scenario}")
    verdicts = wording.marks([point.outcome for point in one.points])
    _line(f"{verdicts}  fails {wording.rate(one.failed, one.tries)}, truly {one.rate}")
    rows = [
        (
            point.run.name,
            point.outcome + wording.mark(point.quarantined),
            f"{point.seconds:.1f} s",
            point.firmware,
            wording.measured(point.measured),
            point.reason,
        )
        for point in one.points
    ]
    for point, line in zip(one.points, _columns(rows), strict=True):
        _line(line, _COLOURS.get(point.outcome, ""))
