"""All scenarios with their courses, and one: run by run on each board, with its measurements as pictures."""

from __future__ import annotations

from collections.abc import Iterable

from hil.history import wording
from hil.history.causes import KIND as CAUSE
from hil.history.questions import Point, Trend, trend
from hil.history.window import Board
from hil.natural_order import natural
from hil.report.html.markup import Child, Html, element
from hil.report.legible import one_line
from hil.serve import links, marks
from hil.serve.asked import NotThere
from hil.serve.frame import page as framed
from hil.serve.frame import section, table
from hil.serve.pages.measurements import charts_of
from hil.serve.view import View


def page(view: View) -> str:
    """Scenario by board, each cell a course."""
    boards = view.boards()
    courses = {(board.id, title): entries for board, title, entries in view.window.named()}
    titles = sorted({title for _, title in courses}, key=natural)
    runs = len(view.window.runs)

    def cell(board: Board, title: str) -> Child:
        found = courses.get((board.id, title))
        return None if found is None else marks.strip(found, runs)

    rows = ((links.scenario(view.asked, title), *(cell(board, title) for board in boards)) for title in titles)
    heads = ("scenario", *(board.name for board in boards))
    return framed(view, "Scenarios", table(heads, rows, "No scenario has a result yet."))


def one(view: View) -> str:
    """One scenario."""
    title = view.asked.needed("title")
    asked = view.asked
    found = trend(view.connection, title, asked.board, last=asked.last, rig=asked.rig)
    if not found:
        on = f" on board {asked.board!r}" if asked.board else ""
        raise NotThere(f"No result of {title!r}{on} in the last {asked.last} runs.")
    return framed(view, title, [_on_board(view, each, len(found) == 1) for each in found])


def _on_board(view: View, one: Trend, alone: bool) -> Html:
    entries = view.cells(one.board)[one.scenario]
    seen = one.failed / one.tries if one.tries else 0.0
    return section(
        f"{one.board.name} of {one.board.rig}",
        element(
            *("p", links.board(view.asked, one.board), marks.strip(entries, len(view.window.runs))),
            element("span", f"fails {wording.rate(one.failed, one.tries)}", class_="whole"),
            element("span", marks.interval(one.rate, seen), f" truly {one.rate}", class_="whole"),
            class_="told",
        ),
        charts_of(view, one.board, one.scenario),
        element(
            "details",
            element("summary", f"Its {len(one.points)} runs, the newest first"),
            table(
                ("run", "verdict", "took", "firmware", "measured", "why, and what it found"),
                (_row(view, point) for point in reversed(one.points)),
                "",
            ),
            open=alone,
        ),
    )


def _row(view: View, point: Point) -> tuple[Child, ...]:
    return (
        links.run(view.asked, point.run),
        marks.verdict(point.outcome, point.quarantined),
        f"{point.seconds:.1f} s",
        point.firmware,
        wording.measured(point.measured),
        _said(point),
    )


def _said(point: Point) -> Iterable[Child]:
    if point.reason:
        yield element("p", one_line(point.reason, 300), class_="reason")
    for kind, text in point.remarks:
        yield element("p", f"{kind}: {one_line(text, 300)}", class_="cause" if kind == CAUSE else "quiet")
