"""Links from one page to another, each with the filters that the page it stands on has."""

from __future__ import annotations

from hil.history.window import Board, Firmware, Run
from hil.report.html.markup import Html, element
from hil.serve.asked import Asked


def run(asked: Asked, one: Run, words: str | None = None) -> Html:
    """To what became of all scenarios in one run."""
    return element("a", words or one.name, href=asked.to("/run", key=one.key), class_="whole")


def board(asked: Asked, one: Board) -> Html:
    """To a board; boards of two rigs may have the same name."""
    return element("a", one.name, href=asked.to("/board", name=one.name, rig=one.rig, board=""), class_="whole")


def scenario(asked: Asked, title: str, board: str = "") -> Html:
    """To a scenario, on one board or on all."""
    return element("a", title, href=asked.to("/scenario", title=title, board=board or asked.board or ""))


def firmware(asked: Asked, one: Firmware | None) -> Html | str:
    """To a firmware; '?' where it is not known."""
    if one is None:
        return "?"
    return element("a", one.name, href=asked.to("/firmware", id=str(one.id)))
