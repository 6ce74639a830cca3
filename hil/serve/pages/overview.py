"""The first page: what broke, since which firmware, whose trouble it is, and what is let pass for how long."""

from __future__ import annotations

from hil.history.outcomes import AMISS
from hil.history.runs import Counts, Result, counts, results
from hil.report.html.markup import Child, Html, element
from hil.serve import links, marks
from hil.serve.frame import page as framed
from hil.serve.frame import section, table
from hil.serve.pages import answers, quarantine
from hil.serve.view import View


def page(view: View) -> str:
    """The page."""
    newest = counts(view.connection, view.window.newest())
    most = None if view.asked.more.get("all") else answers.MOST
    return framed(
        view,
        "Overview",
        [_newest(view, one) for one in newest],
        answers.broken(view, most),
        answers.alone(view),
        answers.now_and_then(view, most),
        answers.moved(view, view.drifts, most),
        quarantine.listed(view),
    )


def _newest(view: View, one: Counts) -> Html:
    """A rig's newest run, and what was not good in it."""
    run = one.run
    state = "" if run.ended is not None else " · it runs still, or was killed"
    bad = [found for found in results(view.connection, run.id) if found.outcome in AMISS]
    told = {(one.board.id, one.scenario) for one in view.regressions}  # they have a card each, below
    others = [found for found in bad if (found.board, found.scenario) not in told]
    shown = [found for found in others if view.asked.board in (None, view.window.boards[found.board].name)]
    return section(
        f"Newest run of {run.rig}",
        element(
            "p",
            links.run(view.asked, run),
            f" on {run.host}{state} ",
            marks.counts(one.outcomes.items()),
            class_="newest",
        ),
        table(
            ("verdict", "board", "scenario", "why"),
            (bad_row(view, found) for found in shown),
            "All that failed in it stands below." if bad else "Nothing failed in it.",
        ),
    )


def bad_row(view: View, found: Result) -> tuple[Child, ...]:
    """A result that is not as it should be."""
    board = view.window.boards[found.board]
    return (
        marks.verdict(found.outcome, found.quarantined),
        links.board(view.asked, board),
        links.scenario(view.asked, found.scenario, board.name),
        marks.why(found),
    )
