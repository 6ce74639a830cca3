"""`hil watch`: from the command line to a screen, or to the one line that says why there is none."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hil.run_folder import NoRun
from hil.signals import terminated_as

if TYPE_CHECKING:
    from hil.watch.app import Watch

_FAILED, _USAGE = 1, 2


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    words = "show the timeline of a run in this terminal while it happens, with filters, pause and search"
    watch = commands.add_parser("watch", help=words, description=words)
    watch.set_defaults(run=run)
    watch.add_argument(
        "folder", metavar="RUN", type=Path, help="the folder of a run, or one with runs in it: the newest is taken"
    )
    watch.add_argument(
        "--board", action="append", metavar="NAME", default=[], help="only this board; may be given several times"
    )


def run(options: argparse.Namespace) -> int:
    """Show it until q is pressed."""
    why_not = unable()
    if why_not:
        print(f"hil: {why_not}; the same without a screen: hil monitor, hil diagnose {options.folder}", file=sys.stderr)
        return _FAILED
    from hil.watch.following import Follower, run_at
    from hil.watch.source import FollowedRun

    try:
        folder = run_at(options.folder)
    except NoRun as error:
        print(f"hil: {error}", file=sys.stderr)
        return _USAGE
    from hil.watch.app import Watch

    with FollowedRun(Follower(folder)) as source:
        return _show(Watch(source, boards=tuple(options.board)))


def _show(app: Watch) -> int:
    """Show the screen until it is closed; 130 where a signal closed it, as after Ctrl-C elsewhere."""
    with terminated_as(app.interrupt):
        app.run(mouse=False)
    return 130 if app.interrupted else 0


def unable() -> str | None:
    """Why no screen can be shown here, in one line; None if it can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "watch needs a terminal: found input or output that is none"
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        return f"watch needs a terminal that can move its cursor: found TERM={term or 'unset'}"
    if importlib.util.find_spec("textual") is None:
        return "watch needs the package textual, which is not installed: pip install 'hil[watch]'"
    return None
