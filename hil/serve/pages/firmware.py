"""All firmware that was seen, and one: where it ran, and what it came to."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator

from hil.history import wording
from hil.history.digest import Entry
from hil.history.outcomes import FAILED, JUDGED
from hil.history.questions import Regression
from hil.history.window import Board, Firmware
from hil.natural_order import natural
from hil.report.html.markup import Child, element
from hil.serve import links, marks
from hil.serve.asked import BadRequest, NotThere
from hil.serve.frame import facts, section, table
from hil.serve.frame import page as framed
from hil.serve.view import View


def page(view: View) -> str:
    """The list, newest first; or the one that `id` names."""
    number = view.asked.more.get("id")
    if number is not None:
        return _one(view, number)
    seen = {entry.firmware for _, _, entries in view.window.named() for entry in entries}
    found = sorted((one for one in view.window.firmware.values() if one.id in seen), key=lambda one: -one.first_seen)
    heads = ("firmware", "contract", "first seen", "boards", "what it came to")
    return framed(view, "Firmware", table(heads, (_line(view, one) for one in found), "None is known."))


def _line(view: View, one: Firmware) -> tuple[Child, ...]:
    ran = list(_ran(view, one))
    return (
        links.firmware(view.asked, one),
        one.contract or "?",
        _day(one.first_seen),
        ", ".join(sorted({board.name for board, _, _ in ran}, key=natural)),
        marks.counts(Counter(marks.verdict_of(entry) for _, _, entry in ran).items()),
    )


def _ran(view: View, one: Firmware) -> Iterator[tuple[Board, str, Entry]]:
    for board, title, entries in view.window.named():
        yield from ((board, title, entry) for entry in entries if entry.firmware == one.id)


def _one(view: View, number: str) -> str:
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        raise BadRequest(f"id: found {number[:20]!r}, expected a number")
    one = view.window.firmware.get(int(number))
    if one is None:
        raise NotThere("The history has no such firmware.")
    ran = list(_ran(view, one))
    runs = [view.window.runs[order] for order in sorted({entry.run for _, _, entry in ran}, reverse=True)]
    broke = [found for found in view.regressions if found.firmware == one.name and found.new_firmware]
    boards = {board.id: board for board, _, _ in ran}
    on = [[links.board(view.asked, board), " "] for board in boards.values()]
    return framed(
        view,
        f"Firmware {one.name}",
        facts(
            (
                ("contract", one.contract or "?"),
                ("version", one.version or "nobody said"),
                ("revision", one.revision or "nobody said"),
                ("SHA-256", element("code", one.hash)),
                ("first seen", _day(one.first_seen)),
                (
                    "boards",
                    on or "none in these runs",
                ),
                ("came to", marks.counts(Counter(marks.verdict_of(entry) for _, _, entry in ran).items())),
            )
        ),
        section(
            "Broken since it",
            table(
                ("scenario", "board", "since", "certainty"), (_broke(view, f) for f in broke), "Nothing broke with it."
            ),
        ),
        section("What failed with it", table(("scenario", "failed, on which boards"), _failed(view, ran), "Nothing.")),
        section("Its runs", element("p", [[links.run(view.asked, run), " "] for run in runs] or "none of these")),
    )


def _broke(view: View, one: Regression) -> tuple[Child, ...]:
    return (
        links.scenario(view.asked, one.scenario, one.board.name),
        links.board(view.asked, one.board),
        links.run(view.asked, one.since),
        wording.certainty(one),
    )


def _failed(view: View, results: list[tuple[Board, str, Entry]]) -> Iterator[tuple[Child, ...]]:
    tries: dict[tuple[int, str], list[bool]] = {}
    for board, title, entry in results:
        if entry.outcome in JUDGED:
            tries.setdefault((board.id, title), []).append(entry.outcome in FAILED)
    failed: dict[str, list[tuple[int, int, int]]] = {}
    for (number, title), bad in tries.items():
        if any(bad):
            failed.setdefault(title, []).append((sum(bad), len(bad), number))
    for title, boards in sorted(
        failed.items(), key=lambda item: (-sum(bad for bad, _, _ in item[1]), natural(item[0]))
    ):
        on = (
            [links.board(view.asked, view.window.boards[number]), f" {wording.rate(bad, ran)}"]
            for bad, ran, number in sorted(
                boards, key=lambda board: (-board[0], natural(view.window.boards[board[2]].name))
            )
        )
        yield links.scenario(view.asked, title), element("span", (element("span", one) for one in on), class_="several")


def _day(wall: float) -> str:
    return datetime.datetime.fromtimestamp(wall).strftime("%Y-%m-%d %H:%M")
