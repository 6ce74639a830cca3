"""`hil case`: the parser alone; what the commands do is in `hil.cases.actions`."""

from __future__ import annotations

import argparse

_WORDS = "cases, failures from the field in a form that a bench can play: check, show, list"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `hil case` and its actions."""
    actions = commands.add_parser("case", help=_WORDS, description=_WORDS).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )

    def new(name: str, words: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=words, description=words)
        parser.set_defaults(run=run)
        return parser

    named = "its folder, or its name in cases/ ($HIL_CASES)"
    check = new("check", "is all of it sound? Exit code 2 if a case cannot be used, 1 if something is missing in it")
    check.add_argument("cases", nargs="+", metavar="CASE", help=named)
    show = new("show", "say in words what a case holds")
    show.add_argument("case", metavar="CASE", help=named)
    listing = new("list", "list the cases of a folder, and those that come with hil")
    listing.add_argument("folder", nargs="?", metavar="FOLDER", help="which (default: cases/, or $HIL_CASES)")


def run(options: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises hil.toml.FileError, OSError, ValueError."""
    from hil.cases import actions

    return actions.ALL[options.action](options)
