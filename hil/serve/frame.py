"""What all pages have around them: the head, the way to the other pages, the filters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources

from hil.history.window import LAST
from hil.natural_order import natural
from hil.report.html.asset import asset
from hil.report.html.markup import Child, Html, element, joined
from hil.serve.asked import MOST_RUNS, Asked
from hil.serve.view import View

PAGES = (
    *(("/", "Overview"), ("/runs", "Runs"), ("/scenarios", "Scenarios"), ("/boards", "Boards")),
    *(("/firmware", "Firmware"), ("/measurements", "Measurements"), ("/quarantine", "Quarantine")),
)
LISTED = {"/run": "/runs", "/scenario": "/scenarios", "/board": "/boards"}
"""Pages about one of many, and the page that lists them all."""
STYLE = "/style.css"


def style() -> str:
    """The style sheet of all pages: the report's, and what is more here."""
    own = (resources.files(__package__) / "assets" / "serve.css").read_text(encoding="utf-8")
    return "\n".join([*(asset(name) for name in ("colours.css", "page.css", "print.css")), own])


def page(view: View, title: str, *body: Child) -> str:
    """A whole page about the history."""
    asked = view.asked
    head = joined(element("span", view.window.words, class_="quiet"), element("span", view.where, class_="quiet where"))
    return _document(title, asked, head, joined(_filters(view), element("h1", title, class_="title"), *body))


def notice(title: str, words: str) -> str:
    """A page that says why there is no other."""
    body = element("section", element("h1", title), element("p", words), class_="notice")
    return _document(title, Asked(""), Html(""), body)


def section(heading: str, *body: Child, words: str | None = None) -> Html:
    """A part of a page."""
    told = element("p", words, class_="quiet") if words else None
    return element("section", element("h2", heading), told, *body, aria_label=heading)


def table(heads: Sequence[str], rows: Iterable[Sequence[Child]], none: str) -> Html:
    """A table; `none` says what it means that it has no rows."""
    lines = [element("tr", (element("td", cell) for cell in row)) for row in rows]
    if not lines:
        return element("p", none, class_="quiet none")
    head = element("thead", element("tr", (element("th", words, scope="col") for words in heads)))
    return element(
        "div",
        element("table", head, element("tbody", lines)),
        class_="scroll",
        tabindex=0,
        role="group",
        aria_label="Table",
    )


def facts(rows: Iterable[tuple[str, Child]]) -> Html:
    """Names with values."""
    return element("dl", ([element("dt", name), element("dd", value)] for name, value in rows), class_="about-it")


def _document(title: str, asked: Asked, head: Child, body: Child) -> str:
    here = {asked.path: "page", LISTED.get(asked.path, ""): "true"}
    links = (element("a", name, href=asked.to(path), aria_current=here.get(path)) for path, name in PAGES)
    content = joined(
        element("a", "Skip to the content", class_="skip", href="#main"),
        element(
            "header",
            element("div", element("span", "hil history", class_="site"), class_="name"),
            element("nav", links, aria_label="Pages"),
            element("span", class_="spring"),
            head,
            class_="run",
        ),
        element("main", element("div", body, id="overview"), id="main", tabindex=-1),
    )
    top = joined(
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · hil history"),
        element("link", rel="stylesheet", href=STYLE),
    )
    return f'<!doctype html>\n<html lang="en">{element("head", top)}{element("body", content)}</html>\n'


def _filters(view: View) -> Html:
    """The filters as a form that asks for the same page again; what else it was asked with is kept."""
    asked, window = view.asked, view.window
    rigs = sorted({run.rig for run in window.runs} | ({asked.rig} if asked.rig else set()))
    names = sorted({board.name for board in window.boards.values() if asked.rig in (None, board.rig)}, key=natural)
    kept = (element("input", type="hidden", name=name, value=value) for name, value in asked.more.items())
    number = element("input", type="number", name="last", value=asked.last, min=1, max=MOST_RUNS)
    return element(
        "form",
        kept,
        element("label", "last ", number, " runs"),
        element("label", "rig ", _choice("rig", rigs, asked.rig)) if len(rigs) > 1 or asked.rig else None,
        element("label", "board ", _choice("board", names, asked.board)) if asked.path != "/board" else None,
        element("button", "Show", type="submit"),
        element("a", "all", href=asked.path)
        if (asked.rig or asked.board or asked.last != LAST) and not asked.more
        else None,
        method="get",
        action=asked.path,
        class_="filters",
        aria_label="What is looked at",
    )


def _choice(name: str, values: Sequence[str], chosen: str | None) -> Html:
    every = element("option", "all", value="")
    options = (element("option", value, value=value, selected=value == chosen) for value in values)
    return element("select", every, options, name=name)
