"""`hil watch`: from the command line to a screen, or to the one line that says why there is none."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hil.run_folder import NoRun
from hil.signals import terminated_as

if TYPE_CHECKING:
    from hil.rig import Rig, RigBoard
    from hil.watch.app import Watch

WORDS = "the timeline in this terminal while it happens, of a run or of a bench that is opened here"

_FAILED, _USAGE = 1, 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options beside those that say which boards."""
    parser.set_defaults(run=follow)
    parser.add_argument(
        "followed",
        nargs="?",
        metavar="RUN",
        type=Path,
        help="watch this run, which somebody else makes: its folder, or one with runs in it, of which the newest is "
        "taken (default: open the rig's bench here, where keys reset, switch and send)",
    )
    parser.add_argument(
        "--filter", metavar="FILTER", default="", help="begin with it: is:bad,odd, or --filter=-console"
    )
    parser.add_argument(
        "--as-is", action="store_true", help="leave firmware, settings and power of the boards as they are"
    )
    parser.add_argument(
        "--ascii",
        action="store_true",
        help="draw with nothing but ASCII (default: where the locale is not one of UTF-8, or TERM is vt100 or alike)",
    )


def follow(options: argparse.Namespace) -> int:
    """Show a run that somebody else makes, until q is pressed."""
    why_not = unable()
    if why_not:
        return _complain(f"{why_not}; without a screen: hil diagnose {options.followed}, hil monitor", _FAILED)
    from hil.watch.app import Watch
    from hil.watch.filtering import FilterError, parse
    from hil.watch.following import Follower, run_at
    from hil.watch.source import FollowedRun

    try:
        folder = run_at(options.followed)
        wanted = parse(options.filter)
    except (NoRun, FilterError) as error:
        return _complain(str(error), _USAGE)
    with FollowedRun(Follower(folder)) as source:
        return _show(Watch(source, wanted, boards=tuple(options.board or ()), ascii_only=_ascii(options)))


def open_bench(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """Open the rig's bench and show it, until q is pressed. Raises BenchError."""
    why_not = unable()
    if why_not:
        return _complain(f"{why_not}; without a screen: hil monitor", _FAILED)
    from hil.bench import Bench
    from hil.folders import state_folder
    from hil.watch.acting import Acting
    from hil.watch.app import Watch
    from hil.watch.filtering import FilterError, parse
    from hil.watch.opened import OpenedBench

    try:
        wanted = parse(options.filter)
    except FilterError as error:
        return _complain(str(error), _USAGE)
    names = [board.name for board in chosen]
    print(f"opening the bench: {rig.name}, {', '.join(names)}", flush=True)
    with Bench(rig, boards=names, state=state_folder(rig)) as bench:
        if options.as_is:
            bench.leave_power_alone()
        with contextlib.closing(Acting(bench)) as acting:
            if not options.as_is:
                for name in names:
                    acting.make_ready(name)
            code = _show(Watch(OpenedBench(bench), wanted, acting=acting, ascii_only=_ascii(options)))
            print("closing the bench", flush=True)
    return code


def _ascii(options: argparse.Namespace) -> bool:
    from hil.watch.output import only_ascii

    return bool(options.ascii) or only_ascii(os.environ)


def _show(app: Watch) -> int:
    """Show the screen until it is closed; 130 where a signal closed it or its terminal is gone, as after Ctrl-C."""
    terminals = [stream.fileno() for stream in (sys.stdout, sys.stderr) if stream.isatty()]
    with terminated_as(app.interrupt):
        app.run(mouse=False)
    gone = [terminal for terminal in terminals if app.left_alone or not os.isatty(terminal)]
    for terminal in gone:
        # What is still to be written has nowhere to go: it would be waited for, or Python would end with 120 over it.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), terminal)
    return 130 if app.interrupted or gone else 0


def _complain(words: str, code: int) -> int:
    print(f"hil: {words}", file=sys.stderr)
    return code


def unable() -> str | None:
    """Why no screen can be shown here, in one line; None if it can."""
    streams = {"input": sys.stdin, "output": sys.stdout, "standard error, which it draws on,": sys.stderr}
    elsewhere = next((name for name, stream in streams.items() if not stream.isatty()), None)
    if elsewhere is not None:
        return f"watch needs a terminal: found that {elsewhere} is none"
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        return f"watch needs a terminal that can move its cursor: found TERM={term or 'unset'}"
    if importlib.util.find_spec("textual") is None:
        return "watch needs the package textual, which is not installed: pip install 'hil[watch]'"
    return None
