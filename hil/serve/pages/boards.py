"""All boards, and one: whether it fails alone, its scenarios, what has moved on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from hil.history import wording
from hil.history.digest import Entry
from hil.history.outcomes import FAILED, JUDGED
from hil.history.questions import lonely
from hil.history.window import Board
from hil.natural_order import natural
from hil.report.html.markup import Child, element
from hil.serve import links, marks
from hil.serve.asked import NotThere
from hil.serve.frame import facts, section, table
from hil.serve.frame import page as framed
from hil.serve.pages import answers
from hil.serve.pages.measurements import charts_of
from hil.serve.view import View


def page(view: View) -> str:
    """The list, and those with trouble of their own."""
    heads = ("board", "rig", "chip", "firmware now", "newest verdicts")
    return framed(
        view,
        "Boards",
        answers.alone(view),
        section("All boards", table(heads, (_line(view, board) for board in view.boards()), "None has a result yet.")),
    )


def _line(view: View, board: Board) -> tuple[Child, ...]:
    newest = [entries[-1] for entries in view.cells(board).values()]
    return (
        links.board(view.asked, board),
        board.rig,
        board.chip or "?",
        links.firmware(view.asked, view.window.firmware.get(_firmware_now(newest) or -1)),
        marks.counts(Counter(marks.verdict_of(entry) for entry in newest).items()),
    )


def _firmware_now(newest: Iterable[Entry]) -> int | None:
    known = ((entry.run, entry.firmware) for entry in newest if entry.firmware is not None)
    return max(known, default=(0, None))[1]


def one(view: View) -> str:
    """One board. Its rig is the filter."""
    name = view.asked.needed("name")
    board = next((found for found in view.boards() if found.name == name), None)
    if board is None:
        raise NotThere(f"No result of a board {name!r} in the last {view.asked.last} runs.")
    cells = view.cells(board)
    moved = [drift for drift in view.drifts if drift.board.id == board.id]
    return framed(
        view,
        board.name,
        facts(_facts(view, board, list(cells.values()))),
        section(
            "Its scenarios",
            table(
                ("scenario", "newest", "runs", "fails", "newest took"),
                (
                    _course(view, board, title, entries)
                    for title, entries in sorted(cells.items(), key=lambda item: natural(item[0]))
                ),
                "",
            ),
        ),
        answers.moved(view, moved),
        charts_of(view, board, ""),
    )


def _facts(view: View, board: Board, cells: Sequence[Sequence[Entry]]) -> Iterable[tuple[str, Child]]:
    alone = next((found for found in lonely(view.window) if found.board.id == board.id), None)
    now = view.window.firmware.get(_firmware_now(entries[-1] for entries in cells) or -1)
    told = f"{wording.alone(alone)}, {wording.chance(alone.chance)}" if alone else "not more than others beside it"
    return (
        ("rig", board.rig),
        ("chip", board.chip or "?"),
        ("firmware now", links.firmware(view.asked, now)),
        ("fails alone", element("span", told, class_="worse" if alone else None)),
    )


def _course(view: View, board: Board, title: str, entries: Sequence[Entry]) -> tuple[Child, ...]:
    judged = [entry for entry in entries if entry.outcome in JUDGED]
    failed = sum(entry.outcome in FAILED for entry in judged)
    return (
        links.scenario(view.asked, title, board.name),
        marks.verdict(entries[-1].outcome, entries[-1].quarantined),
        marks.strip(entries, len(view.window.runs)),
        wording.rate(failed, len(judged)),
        f"{entries[-1].seconds:.1f} s",
    )
