"""`hil case`: the parser alone; what the commands do is in `hil.cases.actions`."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

_WORDS = "cases, failures from the field in a form that a bench can play: new, check, show, list, scenario"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `hil case` and its actions."""
    actions = commands.add_parser("case", help=_WORDS, description=_WORDS).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )

    def new(name: str, words: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=words, description=words)
        parser.set_defaults(run=run)
        return parser

    _add_new(new("new", "make a case: of the field's files, or of answers where nothing but its name is said"))
    named = "its folder, or its name in cases/ ($HIL_CASES)"
    check = new("check", "is all of it sound? Exit code 2 if a case cannot be used, 1 if something is missing in it")
    check.add_argument("cases", nargs="+", metavar="CASE", help=named)
    show = new("show", "say in words what a case holds")
    show.add_argument("case", metavar="CASE", help=named)
    listing = new("list", "list the cases of a folder, and those that come with hil")
    listing.add_argument("folder", nargs="?", metavar="FOLDER", help="which (default: cases/, or $HIL_CASES)")
    scenario = new("scenario", "make a test of a case, which fails when the reported failure is back")
    scenario.add_argument("case", metavar="CASE", help=named)
    scenario.add_argument(
        "--to", metavar="FOLDER", default="tests/field", help="where to write it, and a copy of the case (tests/field)"
    )
    often = scenario.add_mutually_exclusive_group()
    often.add_argument("--times", type=int, default=1, metavar="N", help="trials in each run (default: 1)")
    often.add_argument(
        "--run", dest="reproduced", metavar="RUN", help="as many as the rate of this run of hil reproduce asks for"
    )


def _add_new(new: argparse.ArgumentParser) -> None:
    new.add_argument("name", metavar="NAME", help="its folder, or a name for one in cases/ ($HIL_CASES)")
    new.add_argument(
        "--from",
        dest="files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a timeline, a run's folder, a log of mosquitto or a device, a pcap, a chain as PEM; seen by its content",
    )
    new.add_argument("--title", metavar="TEXT", help="the failure in a line (default: its name)")
    new.add_argument("--story", metavar="TEXT", help="what happened")
    new.add_argument("--source", metavar="TEXT", help="where it was")
    new.add_argument("--on", type=_day, metavar="YYYY-MM-DD", help="when it was")
    new.add_argument("--firmware", metavar="VERSION", help="which version failed")
    new.add_argument(
        "--board", metavar="NAME", help="of a timeline: which board (default: what went wrong most surely)"
    )
    new.add_argument("--test", metavar="TEXT", help="of a timeline: the test with this in its name")
    new.add_argument(
        "--port", type=int, metavar="N", help="of a capture: only connections to this port (default: MQTT's)"
    )
    new.add_argument("--device", metavar="ADDRESS", help="of a capture: only connections of this device (default: all)")
    new.add_argument(
        "--virtual", action="store_true", help="for virtual boards: build their firmware with the mistake that fails so"
    )
    new.add_argument(
        "--choose",
        type=int,
        metavar="N",
        help="which of the candidates that the files fit is played, by its number (default: the likeliest)",
    )
    new.add_argument("--client", metavar="ID", help="of a broker's log: only what is about this client (default: all)")


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a day such as 2026-11-20") from None


def run(options: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises hil.toml.FileError, OSError, ValueError."""
    from hil.cases import actions

    return actions.ALL[options.action](options)
