"""Measurements over the runs, as charts; what has moved is marked in them."""

from __future__ import annotations

from collections.abc import Iterator

from hil.history import wording
from hil.history.questions import Drift
from hil.history.window import Board
from hil.natural_order import natural
from hil.report.html.markup import Child, Html, element
from hil.serve import charts, links
from hil.serve.frame import page as framed
from hil.serve.frame import section, table
from hil.serve.pages import answers
from hil.serve.view import View


def page(view: View) -> str:
    """Without a name: what has moved, and which there are. With one: its course on each board, in each scenario."""
    name = view.asked.more.get("name")
    names = sorted({key[2] for key in view.series})
    chosen = element("p", [[_link(view, each, each == name), " "] for each in names], class_="choice")
    if name is None:
        return framed(view, "Measurements", chosen, answers.moved(view, view.drifts))
    moved = [drift for drift in view.drifts if drift.name == name]
    return framed(view, f"Measurements: {name}", chosen, answers.moved(view, moved), _all(view, name))


def _link(view: View, name: str, here: bool) -> Html:
    return element("a", name, href=view.asked.to("/measurements", name=name), aria_current="page" if here else None)


def _all(view: View, name: str) -> Html:
    """Scenario by board, each cell a course with its newest value, and by how much it has moved."""
    keys = [key for key in view.series if key[2] == name]
    boards = [board for board in view.boards() if any(key[0] == board.id for key in keys)]
    ids = {view.window.scenarios.get(key[1], ""): key[1] for key in keys}
    titles = sorted(ids.items(), key=lambda item: natural(item[0]))
    moved = {(one.board.id, one.scenario): one for one in view.drifts if one.name == name}

    def row(title: str, scenario: int) -> Iterator[Child]:
        yield links.scenario(view.asked, title) if title else "whatever the scenario"
        for board in boards:
            key = board.id, scenario, name
            yield _cell(view, board, key, moved.get((board.id, title))) if key in view.series else None

    heads = ("scenario", *(board.name for board in boards))
    rows = [list(row(title, scenario)) for title, scenario in titles]
    return section("All of them", table(heads, rows, "Nothing of that name was measured."))


def _cell(view: View, board: Board, key: tuple[int, int, str], moved: Drift | None) -> Html:
    _, values, unit = view.series[key]
    told: list[Child] = [f"{wording.figure(values[-1])} {unit}".strip()]
    if moved is not None:
        part = wording.part(moved.change.ratio)
        told += [" ", element("span", part, class_="worse" if moved.worse else "better")]
    spark = charts.spark(f"{key[2]} of {board.name}", values, moved.change if moved else None)
    return element("span", spark, element("span", told, class_="whole"), class_="measured")


def charts_of(view: View, board: Board, scenario: str) -> Html:
    """A chart for each measurement of a board in a scenario; '' for what belongs to the board itself."""
    keys = sorted(
        key for key in view.series if key[0] == board.id and view.window.scenarios.get(key[1], "") == scenario
    )
    return element("div", (_figure(view, board, key) for key in keys), class_="figures")


def _figure(view: View, board: Board, key: tuple[int, int, str]) -> Html:
    orders, values, unit = view.series[key]
    moved = _drift(view, *key)
    names = [run.name for run in view.window.runs]
    told = f"{wording.moved(moved)}, {wording.how(moved)}, {wording.chance(moved.chance)}" if moved else ""
    direction = ("worse" if moved.worse else "better") if moved else None
    return element(
        "figure",
        element("figcaption", element("b", key[2]), f" {told}", class_=direction),
        charts.chart(f"{key[2]} of {board.name}", orders, values, names, unit, moved.change if moved else None),
    )


def _drift(view: View, board: int, scenario: int, name: str) -> Drift | None:
    title = view.window.scenarios.get(scenario, "")
    same = (drift for drift in view.drifts if (drift.board.id, drift.scenario, drift.name) == (board, title, name))
    return next(same, None)
