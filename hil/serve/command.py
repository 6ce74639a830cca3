"""`hil serve`: the parser, and a server until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hil.history.command import add_place

PORT = 8420

_WORDS = "show the history as pages on this host: what broke, since which firmware, on which boards; ends with Ctrl-C"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("serve", help=_WORDS, description=_WORDS)
    add_place(parser)
    parser.set_defaults(run=run)
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"where to listen (default: {PORT}; 0: any that is free)"
    )
    parser.add_argument(
        "--bind",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen on (default: 127.0.0.1; any other that is not this host's own lets others read)",
    )
    parser.add_argument(
        "--name", action="append", default=[], metavar="HOST", help="a further name by which browsers may ask for it"
    )


def run(options: argparse.Namespace) -> int:
    """Serve; returns the exit code. Raises HistoryError, PlaceError, ServeError and hil.toml.FileError."""
    from hil.history import place
    from hil.history.database import HistoryAway, HistoryError, looking_at, open_history
    from hil.serve.server import Server, is_loopback
    from hil.signals import terminated_as

    found = place.of_command(Path(options.rig_file), options.history)
    if found is None:
        raise HistoryError("the history is off ($HIL_HISTORY, --history or the rig says so); say --history URL")
    try:
        open_history(found, create=False).close()  # brings it up to date; from here on it is only read
        with looking_at(found):
            pass
    except HistoryAway as error:  # as this host boots, it may be there before its database is
        print(f"hil: {error}; until then each page says so", file=sys.stderr, flush=True)
    with Server(found, options.bind, options.port, frozenset(options.name)) as server:
        if not is_loopback(options.bind):
            print(f"hil: whoever reaches {options.bind} may read the history: there is no password")
        print(f"{found.shown}: {server.url}  (Ctrl-C ends it)", flush=True)
        try:
            with terminated_as(_interrupt):
                server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            print()
    return 0


def _interrupt() -> None:
    raise KeyboardInterrupt
