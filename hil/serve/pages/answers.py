"""The answers to the history's questions, as sections that several pages have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from hil.history import wording
from hil.history.questions import Drift, Flaky, Lonely, Regression, flaky, lonely
from hil.report.html.markup import Child, Html, element, joined
from hil.serve import charts, links, marks
from hil.serve.frame import section, table
from hil.serve.view import View

MOST: Final = 12
"""Lines of a table on the overview: all of it is to be seen in one look."""


def broken(view: View, most: int | None = None) -> Html:
    """What passed once and fails now: a card for what is sure, with all boards on which it broke; else a line."""
    found = view.regressions
    outbreaks = wording.outbreaks(wording.at_once(found), view.window.newest())
    doubtful = [one for one in found if not one.sure]
    none = "Nothing is sure yet." if doubtful else "Nothing that passed once fails now."
    return section(
        "Broken, or worse than before",
        [_outbreak(view, one) for one in outbreaks] or element("p", none, class_="quiet"),
        [
            element("h3", "Not sure yet, or never passed in these runs", class_="below"),
            table(
                ("board", "scenario", "why", "since", "with firmware", "failed", "chance", "runs"),
                (_doubtful(view, one) for one in doubtful[:most]),
                "",
            ),
            further(view, len(doubtful), most),
        ]
        if doubtful
        else None,
    )


def further(view: View, count: int, most: int | None) -> Html | None:
    """The way to the lines for which there was no room."""
    if most is None or count <= most:
        return None
    return element("p", element("a", f"all {count}", href=view.asked.to("/", all="1")), class_="further")


def _outbreak(view: View, one: wording.Outbreak) -> Html:
    since = links.run(view.asked, one.broke[0].regressions[0].since, "see that run")
    return joined(
        element("h3", element("span", one.words, class_="new" if one.new else None), " ", since, class_="since"),
        element("ul", [element("li", _card(view, group)) for group in one.broke], class_="cards"),
    )


def _card(view: View, group: wording.Broke) -> Html:
    whys = (marks.why(view.failed.get((one.board.id, one.scenario))) for one in group.regressions)
    courses = {
        (each.board.id, each.scenario): [
            (entry.run, marks.verdict_of(entry)) for entry in view.cells(each.board)[each.scenario]
        ]
        for each in group.regressions
    }
    return element(
        "div",
        element(
            *("div", element("b", links.scenario(view.asked, group.scenario))),
            element("span", "in quarantine", class_="sure") if group.quarantined else None,
            class_="top",
        ),
        next(filter(None, whys), None),
        element("div", [_on(view, alike) for alike in group.alike(courses)], class_="on"),
        class_="card",
        data_verdict="quarantined" if group.quarantined else "FAIL",
    )


def _on(view: View, alike: Sequence[Regression]) -> Sequence[Html]:
    one = alike[0]
    return (
        element("span", [[links.board(view.asked, each.board), " "] for each in alike]),
        marks.strip(view.cells(one.board)[one.scenario], len(view.window.runs)),
        element("span", wording.tally(one), class_="quiet"),
    )


def _doubtful(view: View, one: Regression) -> Sequence[Child]:
    firmware = one.firmware if one.new_firmware or one.good is None else "the same"
    return (
        links.board(view.asked, one.board),
        element("span", links.scenario(view.asked, one.scenario, one.board.name), wording.mark(one.quarantined)),
        marks.why(view.failed.get((one.board.id, one.scenario))),
        links.run(view.asked, one.since),
        firmware,
        element("span", wording.tally(one), class_="whole"),
        element("span", wording.chance(one.chance) if one.good else "never passed", class_="whole"),
        marks.strip(view.cells(one.board)[one.scenario], len(view.window.runs)),
    )


def now_and_then(view: View, most: int | None = None) -> Html:
    """What is flaky."""
    found = flaky(view.window)
    return section(
        "Flaky",
        table(
            ("scenario", "board", "fails", "truly, at 95 %", "runs", "firmware", "newest"),
            (_flaky(view, one) for one in found[:most]),
            "Nothing fails now and then on the same firmware.",
        ),
        further(view, len(found), most),
        words="With one and the same firmware the verdict changed at least twice." if found else None,
    )


def _flaky(view: View, one: Flaky) -> Sequence[Html | str | Sequence[Html | str]]:
    return (
        links.scenario(view.asked, one.scenario, one.board.name),
        links.board(view.asked, one.board),
        wording.rate(one.failed, one.tries),
        [marks.interval(one.rate, one.failed / one.tries), f" {one.rate}"],
        marks.strip(view.cells(one.board)[one.scenario], len(view.window.runs)),
        one.firmware,
        marks.verdict(one.last, one.quarantined),
    )


def alone(view: View) -> Html:
    """Boards with trouble of their own."""
    return section(
        "Boards that fail alone",
        table(
            ("board", "rig", "failed alone", "certainty", "newest"),
            (_lonely(view, one) for one in lonely(view.window)),
            "No board fails more than others that ran the same firmware beside it.",
        ),
    )


def _lonely(view: View, one: Lonely) -> Sequence[Html | str]:
    return (
        links.board(view.asked, one.board),
        one.board.rig,
        wording.alone(one),
        element("span", wording.chance(one.chance), class_="whole"),
        links.run(view.asked, one.last),
    )


def moved(view: View, drifts: Iterable[Drift], most: int | None = None) -> Html:
    """Measurements that have moved; what moved on a board in many scenarios at once stands once."""
    found = wording.together(list(drifts))
    return section(
        "Drifts",
        table(
            ("measurement", "board", "where", "from, to", "how", "certainty", "course"),
            (_moved(view, one) for one in found[:most]),
            "No measurement has moved beyond doubt.",
        ),
        further(view, len(found), most),
    )


def _moved(view: View, one: wording.Moved) -> Sequence[Html | str | Sequence[Html | str]]:
    drift = one.drift
    where: Html | str = one.where
    if drift.scenario:
        more = f" and {one.scenarios - 1} more" if one.scenarios > 1 else ""
        where = element("span", links.scenario(view.asked, drift.scenario, drift.board.name), more)
    return (
        element(
            "a",
            drift.name,
            href=view.asked.to("/measurements", name=drift.name, board=drift.board.name),
            class_="whole",
        ),
        links.board(view.asked, drift.board),
        where,
        [element("span", one.direction, class_=one.direction), f": {wording.moved(drift)}"],
        element("span", wording.how(drift), class_="how"),
        element("span", wording.chance(drift.chance), class_="whole"),
        charts.spark(f"{drift.name} of {drift.board.name}", drift.values, drift.change),
    )
