"""All runs, and one of them: its results, and its own report where its folder is on this host."""

from __future__ import annotations

from collections.abc import Iterable

from hil.history.outcomes import AMISS
from hil.history.runs import Counts, Result, counts, results
from hil.history.window import Run, run_of
from hil.natural_order import natural
from hil.report.html.markup import Child, Html, element
from hil.report.html.overview import length
from hil.serve import folders, links, marks
from hil.serve.asked import NotThere
from hil.serve.frame import facts, section, table
from hil.serve.frame import page as framed
from hil.serve.pages.overview import bad_row
from hil.serve.view import View


def page(view: View) -> str:
    """The list, newest first."""
    found = reversed(counts(view.connection, view.window.runs))
    heads = ("began", "rig", "host", "results", "took", "broker", "hil")
    return framed(view, "Runs", table(heads, (_line(view, one) for one in found), ""))


def _line(view: View, one: Counts) -> tuple[Child, ...]:
    run = one.run
    took = length(run.ended - run.began) if run.ended is not None else "has not ended"
    return (
        links.run(view.asked, run),
        run.rig,
        run.host,
        marks.counts(one.outcomes.items()),
        took,
        run.broker,
        run.program,
    )


def known(view: View, key: str) -> Run:
    """The run with this key. Raises NotThere."""
    found = run_of(view.connection, key)
    if found is None:
        raise NotThere("The history has no such run.")
    return found


def one(view: View) -> str:
    """One run."""
    run = known(view, view.asked.needed("key"))
    (counted,) = counts(view.connection, [run])
    found = results(view.connection, run.id)
    bad = [one for one in found if one.outcome in AMISS]
    return framed(
        view,
        f"Run of {run.name}",
        element("p", marks.counts(counted.outcomes.items()), class_="newest"),
        section(
            "What failed", table(("verdict", "board", "scenario", "why"), (bad_row(view, o) for o in bad), "Nothing.")
        ),
        section("Board by scenario", _matrix(view, found)),
        section("About it", facts(_facts(view, run, found))),
    )


def _facts(view: View, run: Run, found: Iterable[Result]) -> Iterable[tuple[str, Child]]:
    numbers = dict.fromkeys(one.firmware for one in found if one.firmware is not None)
    told = [links.firmware(view.asked, view.window.firmware.get(number)) for number in numbers]
    report: Child = element("a", "report.html", href=view.asked.to("/run/report", key=run.key))
    if folders.report(run) is None:
        report = f"not on this host; where its folder is, hil report {run.artifacts} makes it"
    return (
        ("rig", run.rig),
        ("host", run.host),
        ("began", run.name),
        ("took", length(run.ended - run.began) if run.ended is not None else "it runs still, or was killed"),
        ("firmware", [[one, " "] for one in told] or "?"),
        ("broker", run.broker or "?"),
        ("written by", run.program),
        ("folder", run.artifacts),
        ("its report", report),
    )


def _matrix(view: View, found: list[Result]) -> Html:
    boards = sorted({one.board for one in found}, key=lambda number: natural(view.window.boards[number].name))
    rows: dict[str, dict[int, Result]] = {}
    for one in found:
        rows.setdefault(one.scenario, {})[one.board] = one
    return table(
        ("scenario", *(view.window.boards[number].name for number in boards)),
        (
            (links.scenario(view.asked, title), *(_cell(row.get(number)) for number in boards))
            for title, row in rows.items()
        ),
        "It has no result yet.",
    )


def _cell(one: Result | None) -> Child:
    if one is None:
        return None
    took = element("span", length(one.seconds), class_="quiet")
    return element("span", marks.verdict(one.outcome, one.quarantined), " ", took, class_="whole")
