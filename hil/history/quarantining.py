"""`hil quarantine`: the parser, and what its actions do."""

from __future__ import annotations

import argparse
import datetime

from hil.history.command import add_place

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
        with history.writing() as connection:
            if options.action == "add":
                if not options.why.strip():
                    raise HistoryError("--why: found nothing, expected a reason")
                quarantine.put(connection, options.scenario, options.board, options.until, options.why.strip())
            elif not quarantine.drop(connection, options.scenario, options.board):
                on = f" on board {options.board!r}" if options.board else ""
                raise HistoryError(f"{options.scenario!r}{on} is not on the list; see: hil quarantine list")
    return 0
