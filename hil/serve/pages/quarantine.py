"""The quarantine list, with the days that are left. It is shown; what changes it is a command."""

from __future__ import annotations

from hil.history.quarantine import Entry
from hil.report.html.markup import Child, Html, element
from hil.serve import links
from hil.serve.frame import page as framed
from hil.serve.frame import section, table
from hil.serve.view import View


def page(view: View) -> str:
    """The page."""
    commands = (
        ("let a scenario fail until a day", 'hil quarantine add "SCENARIO" --board NAME --until DATE --why REASON'),
        ("renew an entry: the same again with another day", 'hil quarantine add "SCENARIO" --until DATE --why REASON'),
        ("take it off the list", 'hil quarantine remove "SCENARIO"'),
    )
    return framed(
        view,
        "Quarantine",
        listed(view),
        section(
            "To change it",
            table(("what", "command"), ((words, element("code", line)) for words, line in commands), ""),
            words="These pages only show. In a terminal:",
        ),
    )


def listed(view: View) -> Html:
    """The list, what ends first first."""
    return section(
        "In quarantine",
        table(
            ("until", "left", "scenario", "board", "why", "by", "to end it"),
            (_row(view, entry) for entry in view.quarantine),
            "Nothing is in quarantine.",
        ),
    )


def _row(view: View, entry: Entry) -> tuple[Child, ...]:
    return (
        str(entry.until),
        left((entry.until - view.today).days),
        links.scenario(view.asked, entry.scenario, entry.board or ""),
        entry.board or "all",
        entry.why,
        entry.by,
        element("code", entry.command("remove")),
    )


def left(days: int) -> Html:
    """How many days it still holds; today is its last if none is left."""
    if days < 0:
        return element("span", f"expired {-days} day{'s' * (days != -1)} ago", class_="worse")
    words = "its last day" if days == 0 else f"{days} day{'s' * (days != 1)}"
    return element("span", words, class_="soon" if days <= 7 else None)
