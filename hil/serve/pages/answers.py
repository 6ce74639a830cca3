"""The answers to the history's questions, as sections that several pages have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hil.history import wording
from hil.history.questions import Drift, Flaky, Lonely, Regression, flaky, lonely, regressions
from hil.report.html.markup import Html, element
from hil.serve import charts, links, marks
from hil.serve.frame import section, table
from hil.serve.view import View


def broken(view: View) -> Html:
    """What passed once and fails now, what is sure first; what broke on several boards at once stands once."""
    cards = [element("li", _card(view, group.regressions)) for group in wording.at_once(regressions(view.window))]
    body = element("ul", cards, class_="cards") if cards else element("p", "Nothing that passed once fails now.")
    return section("Broken, or worse than before", body)


def _card(view: View, group: Sequence[Regression]) -> Html:
    one = group[0]
    outcome = marks.verdict_of(view.cells(one.board)[one.scenario][-1])
    sure = "new" if one.sure else "may be chance" if one.good else "no good run here"
    return element(
        "div",
        element(
            *("div", marks.verdict(outcome), element("b", links.scenario(view.asked, one.scenario))),
            element("span", sure, class_="sure"),
            class_="top",
        ),
        element("p", wording.since(one), "; ", links.run(view.asked, one.since, "that run")),
        [_on(view, each) for each in group],
        class_="card",
        data_verdict=outcome,
    )


def _on(view: View, one: Regression) -> Html:
    entries = view.cells(one.board)[one.scenario]
    return element(
        "p",
        links.board(view.asked, one.board),
        " ",
        marks.strip(entries, len(view.window.runs)),
        element("span", f" {wording.certainty(one)}", class_="quiet"),
    )


def now_and_then(view: View) -> Html:
    """What is flaky."""
    return section(
        "Flaky",
        table(
            ("scenario", "board", "fails", "truly, at 95 %", "runs", "firmware", "newest"),
            (_flaky(view, one) for one in flaky(view.window)),
            "Nothing fails now and then on the same firmware.",
        ),
        words="With one and the same firmware the verdict changed at least twice.",
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
        wording.chance(one.chance),
        links.run(view.asked, one.last),
    )


def moved(view: View, drifts: Iterable[Drift]) -> Html:
    """Measurements that have moved; what moved on a board in many scenarios at once stands once."""
    return section(
        "Drifts",
        table(
            ("measurement", "board", "where", "from, to", "how", "certainty", "course"),
            (_moved(view, one) for one in wording.together(list(drifts))),
            "No measurement has moved beyond doubt.",
        ),
    )


def _moved(view: View, one: wording.Moved) -> Sequence[Html | str | Sequence[Html | str]]:
    drift = one.drift
    where: Html | str = one.where
    if drift.scenario:
        more = f" and {one.scenarios - 1} more" if one.scenarios > 1 else ""
        where = element("span", links.scenario(view.asked, drift.scenario, drift.board.name), more)
    return (
        element("a", drift.name, href=view.asked.to("/measurements", name=drift.name, board=drift.board.name)),
        links.board(view.asked, drift.board),
        where,
        [element("span", one.direction, class_=one.direction), f": {wording.moved(drift)}"],
        wording.how(drift),
        wording.chance(drift.chance),
        charts.spark(f"{drift.name} of {drift.board.name}", drift.values, drift.change),
    )
