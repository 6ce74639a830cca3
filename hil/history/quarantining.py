"""`hil quarantine`: the parser, and what its actions do."""

from __future__ import annotations

import argparse
import datetime
import difflib
import sys
from typing import TYPE_CHECKING

from hil.history.command import add_place

if TYPE_CHECKING:
    from sqlalchemy import Connection

_WORDS = "scenarios that may fail for a while without failing the run, each with its last day and a reason"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `hil quarantine` and its actions."""
    actions = commands.add_parser("quarantine", help=_WORDS, description=_WORDS).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )

    def new(name: str, words: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=words, description=words)
        add_place(parser)
        parser.set_defaults(run=run)
        return parser

    adding = new("add", "let a scenario fail until a day; again: change the day or the reason")
    removing = new("remove", "take a scenario off the list")
    for parser in (adding, removing):
        parser.add_argument("scenario", metavar="SCENARIO", help="its title, as in the summary of a run")
        parser.add_argument("--board", metavar="NAME", help="only on this board (default: on all)")
    adding.add_argument("--until", required=True, type=_day, metavar="DATE", help="its last day, such as 2026-12-31")
    adding.add_argument("--why", required=True, metavar="TEXT", help="the reason, such as the number of an issue")
    new("list", "list them; exit code 1 if one has expired")


def _day(text: str) -> datetime.date:
    try:
        found = datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a date such as 2026-12-31") from None
    if found < datetime.date.today():
        raise argparse.ArgumentTypeError(f"found {text}, which is over; expected today or later")
    return found


def run(options: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises HistoryError, PlaceError and hil.toml.FileError."""
    from hil.history import listing, quarantine
    from hil.history.actions import opened
    from hil.history.database import HistoryError
    from hil.history.sheet import Sheet

    today = datetime.date.today()
    with opened(options, create=options.action == "add") as history:
        if options.action == "list":
            with history.reading() as connection:
                found = quarantine.entries(connection)
            listing.quarantine(Sheet.of_stdout(), found, today)
            return 0 if all(entry.holds(today) for entry in found) else 1
        on = f" on board {options.board!r}" if options.board else ""
        with history.writing() as connection:
            if options.action == "add":
                if not options.why.strip():
                    raise HistoryError("--why: found nothing, expected a reason")
                quarantine.put(connection, options.scenario, options.board, options.until, options.why.strip())
                doubts = _doubts(connection, options.scenario, options.board)
            elif not quarantine.drop(connection, options.scenario, options.board):
                raise HistoryError(f"{options.scenario!r}{on} is not on the list; see: hil quarantine list")
    if options.action == "add":
        print(f"{options.scenario!r}{on or ' on all boards'} may fail until {options.until}")
        for line in doubts:
            print(f"hil: {line}", file=sys.stderr)
    return 0


def _doubts(connection: Connection, scenario: str, board: str | None) -> list[str]:
    """What looks like a slip of the pen, a line each: such an entry would wait for something that never comes."""
    from hil.history.runs import titles
    from hil.history.window import all_boards

    boards = [one.name for one in all_boards(connection).values()]
    asked = [("scenario", scenario, titles(connection)), ("board", board, boards)]
    return [
        f"no run here has had a {kind} {said!r}{_near(said, known)}; to take it back: hil quarantine remove"
        for kind, said, known in asked
        if said is not None and known and said not in known
    ]


def _near(said: str, known: list[str]) -> str:
    near = difflib.get_close_matches(said, known, 1)
    return f", but {near[0]!r}" if near else ""
