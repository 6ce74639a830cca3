"""The history's answers in a terminal, set to its width: what broke comes first, and stands out."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Final

from rich.text import Text

from hil.history import wording
from hil.history.digest import Entry as Verdict
from hil.history.outcomes import WORST, shown
from hil.history.quarantine import Entry
from hil.history.questions import Flaky, Lonely, Regression
from hil.history.runs import Counts, Result
from hil.history.sheet import Sheet, words
from hil.history.window import Board, Window
from hil.history.wording import Broke, Moved

COLOURS: Final[Mapping[str, str]] = {
    **{"pass": "green", "WARN": "yellow", "flaky": "yellow", "FAIL": "bold red", "ERROR": "bold red"},
    **{"quarantined": "magenta", "n/a": "dim"},
}
_MARKS: Final = {"F": "red", "E": "red", "~": "yellow", "w": "yellow", "-": "dim"}

MOST: Final = 12
"""Entries of a part of the overview, on a terminal: all of it is to be seen in one look."""

_FEW: Final = 10
"""Runs that have to have room for a course to be shown."""


def about(sheet: Sheet, window: Window, newest: Sequence[Counts]) -> None:
    """What is looked at, and how the newest run of each rig went."""
    sheet.line(words(window.words, "dim"))
    for one in newest:
        ended = "" if one.run.ended is not None else ", has not ended"
        line = words(f"the newest of rig {one.run.rig}, {one.run.name}{ended}: ")
        sheet.line(line + _counted(one), hang=2)


def _counted(one: Counts) -> Text:
    told = [words(f"{one.outcomes[name]} {name}", COLOURS.get(name, "")) for name in WORST if one.has(name)]
    return Text(", ").join(told) if told else words("nothing yet")


def others(sheet: Sheet, window: Window, found: Sequence[Result], most: int | None = None) -> None:
    """What else was bad in the newest runs, beside the regressions: where the bench failed, and what is flaky."""
    if not found:
        return
    sheet.heading("Newest run", "what went wrong beside the regressions")
    first = max(len(window.boards[one.board].name) for one in found[:most])
    for one in found[:most]:
        verdict = shown(one.outcome, one.quarantined)
        what = words(f"{verdict}  ", COLOURS.get(verdict, "")) + words(one.scenario)
        sheet.entry(words(window.boards[one.board].name, "bold"), what, one.why, first=first)
    _more(sheet, len(found), most, "--json")


def runs(sheet: Sheet, found: Sequence[Counts]) -> None:
    """A line for each run, with a column for each verdict that there is; what is the same of all is said above."""
    names = [name for name in WORST if any(one.has(name) for one in found)]
    same: list[str] = []
    columns: list[tuple[str, list[Text | str]]] = [("began", [one.run.name for one in found])]
    for name, values in (
        ("rig", [one.run.rig for one in found]),
        ("host", [one.run.host for one in found]),
    ):
        if sheet.is_terminal and len(set(values)) == 1:
            same.append(f"{name} {values[0]}")
        else:
            columns.append((name, list(values)))
    columns += [(name, [_number(one, name) for one in found]) for name in names]
    columns.append(("ended", ["yes" if one.run.ended is not None else words("no", "yellow") for one in found]))
    folders = [one.run.artifacts for one in found]
    above = {str(PurePath(folder).parent) for folder in folders}
    if sheet.is_terminal and len(above) == 1:
        same.append(f"in {above.pop()}")
        folders = [PurePath(folder).name for folder in folders]
    columns.append(("folder", list(folders)))
    if same:
        sheet.line(words(f"{len(found)} runs: {', '.join(same)}", "dim"), hang=2)
    heads = [head for head, _ in columns]
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    numbers = [n for n, head in enumerate(heads) if head in names]
    sheet.table(rows, heads=heads, right=numbers, firm=[0, *numbers])


def _number(one: Counts, name: str) -> Text:
    return words(str(one.outcomes[name]), COLOURS.get(name, "")) if one.has(name) else words("·", "dim")


def regressions(
    sheet: Sheet,
    window: Window,
    found: Sequence[Regression],
    reasons: Mapping[tuple[int, str], str],
    most: int | None = None,
) -> None:
    """What is sure first; what broke on several boards at once stands once, with the boards below it.

    `reasons`: why it failed in the newest run, by board and scenario.
    """
    sure = sum(one.sure for one in found)
    never = sum(one.good is None for one in found)
    told = ((sure, "sure"), (len(found) - sure - never, "not sure yet"), (never, "never passed here"))
    sheet.heading("Regressions", ", ".join(f"{number} {what}" for number, what in told if number))
    _none(sheet, found, "nothing that passed once fails now")
    groups = wording.at_once(found)
    shown = groups[:most]
    courses = {(board.id, title): _verdicts(window, board, entries) for board, title, entries in window.named()}
    for outbreak in wording.outbreaks(shown, window.newest()):
        sheet.line(words(outbreak.words, "bold"), indent=2, hang=2)
        for group in outbreak.broke:
            _broke(sheet, group, courses, wording.why(group, reasons))
    _doubtful(sheet, [one for group in shown if not group.sure for one in group.regressions], reasons)
    _more(sheet, len(groups), most, "regressions")


def _verdicts(window: Window, board: Board, entries: Sequence[Verdict]) -> list[str]:
    """A verdict for each run of the board's rig, so that those of several boards stand below each other; '': none."""
    came = {entry.run: entry.outcome for entry in entries}
    return [came.get(run.order, "") for run in window.runs if run.rig == board.rig]


def _broke(sheet: Sheet, group: Broke, courses: Mapping[tuple[int, str], Sequence[str]], why: str) -> None:
    style = "magenta" if group.quarantined else "bold red"
    sheet.line(words(group.scenario + wording.mark(group.quarantined), style), indent=4, hang=2)
    if why:
        sheet.line(words(why, "dim"), indent=6, hang=2)
    rows = []
    for alike in group.alike(courses):
        names = ", ".join(one.board.name for one in alike)
        told = words(names, "bold"), words(wording.tally(alike[0]))
        rows.append((told, courses[alike[0].board.id, group.scenario]))
    _with_courses(sheet, rows, max(len(name.plain) for (name, _), _ in rows))


def _doubtful(sheet: Sheet, found: Sequence[Regression], reasons: Mapping[tuple[int, str], str]) -> None:
    """What is not sure yet, or has never passed: a line each, where there is room."""
    if not found:
        return
    sheet.line(words("not sure yet, or never passed in these runs:", "dim"), indent=2)
    rows = [
        (
            words(one.board.name, "bold"),
            words(one.scenario + wording.mark(one.quarantined)),
            one.since.name,
            one.firmware if one.new_firmware else words("the same" if one.good else one.firmware, "dim"),
            wording.tally(one),
            words(wording.chance(one.chance), "yellow") if one.good else words("never passed", "dim"),
            words(reasons.get((one.board.id, one.scenario), ""), "dim"),
        )
        for one in found
    ]
    heads = ("board", "scenario", "since", "with firmware", "failed", "chance", "why")
    if sheet.fits(rows, heads, indent=4):
        sheet.table(rows, heads=heads, indent=4)
        return
    first = max(len(one.board.name) for one in found)
    for one, (name, what, *_) in zip(found, rows, strict=True):
        told = [f"since {one.since.name}", f"with {one.firmware}" if one.new_firmware else "with the same firmware"]
        if one.good is None:
            told = ["never passed in these runs"]
        chance = [wording.chance(one.chance)] if one.good else []
        why = reasons.get((one.board.id, one.scenario), "")
        told = [", ".join([*told, wording.tally(one), *chance]), *([why] if why else [])]
        sheet.entry(name, what, *told, first=first, indent=4)


def _with_courses(sheet: Sheet, rows: Sequence[tuple[Sequence[Text], Sequence[str]]], first: int) -> None:
    """Rows with the newest verdicts behind them, as many as there is room for."""
    indent, gap = 6, 2
    told = max((len(cells[1].plain) for cells, _ in rows), default=0)
    room = sheet.room(indent + first + gap + told + gap)
    for cells, outcomes in rows:
        name = cells[0] + Text(" " * (first - len(cells[0].plain)))
        line = name + Text(" " * gap) + cells[1]
        if room >= _FEW:
            line += Text(" " * (told - len(cells[1].plain) + gap)) + _course(outcomes, room)
        sheet.line(line, indent=indent, hang=first + gap)


def _course(outcomes: Sequence[str], most: int) -> Text:
    text = Text()
    for mark in wording.marks(outcomes[-most:]):
        text.append(mark, _MARKS.get(mark, ""))
    return text


def _none(sheet: Sheet, found: Sequence[object], told: str) -> None:
    if not found:
        sheet.line(words(told, "dim"), indent=2)


def _more(sheet: Sheet, count: int, most: int | None, question: str) -> None:
    if most is not None and count > most:
        sheet.line(words(f"and {count - most} more: hil history {question}", "dim"), indent=2)


def flaky(sheet: Sheet, found: Sequence[Flaky], most: int | None = None) -> None:
    """Those that fail most often first."""
    sheet.heading("Flaky", "fail now and then on the same firmware" if found else "")
    _none(sheet, found, "nothing fails now and then on the same firmware")
    rows = [
        (
            words(wording.rate(one.failed, one.tries)),
            str(one.rate),
            words(one.board.name, "bold"),
            words(one.scenario + wording.mark(one.quarantined)),
            one.firmware,
            words(one.last, COLOURS.get(one.last, "")),
        )
        for one in found[:most]
    ]
    heads = ("fails", "truly", "board", "scenario", "firmware", "newest")
    if rows and sheet.fits(rows, heads):
        sheet.table(rows, heads=heads)
    else:
        first = max((len(one.board.name) for one in found[:most]), default=0)
        for one, (_, _, name, what, *_) in zip(found, rows, strict=False):
            told = f"fails {wording.flakiness(one)}, with {one.firmware}; now {one.last}"
            sheet.entry(name, what, told, first=first)
    _more(sheet, len(found), most, "flaky")


def boards(sheet: Sheet, found: Sequence[Lonely]) -> None:
    """Boards with trouble of their own."""
    sheet.heading("Boards that fail alone", "trouble of the board, not of the firmware" if found else "")
    _none(sheet, found, "no board fails more than others that ran the same firmware beside it")
    for one in found:
        sheet.line(words(one.board.name, "bold red") + words(f" of rig {one.board.rig}"), indent=2)
        told = f"{wording.alone(one)}, {wording.chance(one.chance)}; {one.results} results, newest {one.last.name}"
        sheet.line(told, indent=8, hang=2)


def drifts(sheet: Sheet, found: Sequence[Moved], most: int | None = None) -> None:
    """What has become worse first."""
    sheet.heading("Drifts", "measurements that have moved beyond doubt" if found else "")
    _none(sheet, found, "no measurement has moved beyond doubt")
    shown = found[:most]
    names = max((len(one.drift.board.name) for one in shown), default=0)
    measured = max((len(one.drift.name) for one in shown), default=0)
    for one in shown:
        drift = one.drift
        line = words(f"{one.direction:6}  ", "red" if drift.worse else "green")
        line += words(drift.board.name.ljust(names), "bold") + words(f"  {drift.name.ljust(measured)}  ")
        line += words(wording.moved(drift), "bold")
        bars = wording.bars(drift.values, max(1, min(40, sheet.room(len(line.plain) + 4))))
        sheet.line(line + Text("  " + bars if len(bars) >= _FEW else ""), indent=2, hang=8)
        told = f"{one.where}: {wording.how(drift)}, {wording.chance(drift.chance)}"
        sheet.line(words(told, "dim"), indent=10, hang=2)
    _more(sheet, len(found), most, "drifts")


def quarantine(sheet: Sheet, found: Sequence[Entry], today: datetime.date) -> None:
    """What ends first first."""
    _none(sheet, found, "nothing is in quarantine")
    rows = [
        (
            words(f"{one.until}") if one.holds(today) else words(f"{one.until} EXPIRED", "red"),
            one.board or "all",
            one.scenario,
            one.by,
            one.why,
        )
        for one in found
    ]
    if rows:
        sheet.table(rows, heads=("until", "board", "scenario", "by", "why"), firm=(0, 1, 3))


def scenarios(sheet: Sheet, titles: Iterable[str]) -> None:
    """The titles alone."""
    for title in titles:
        sheet.line(title, hang=2)
