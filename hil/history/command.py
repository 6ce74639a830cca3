"""`hil history`: the parser alone; what the commands do is in `hil.history.actions`."""

from __future__ import annotations

import argparse
import os

from hil.arguments import count

_WORDS = "what has changed over many runs: regressions, flaky scenarios, drifts, boards that fail alone"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `hil history` and its questions."""
    every = argparse.ArgumentParser(add_help=False)
    add_place(every)
    every.add_argument("--last", type=count, default=50, metavar="N", help="look at the last N runs (default: 50)")
    every.add_argument("--of", metavar="RIG", help="only runs of the rig of this name (default: all in the history)")
    every.add_argument("--json", action="store_true", help="print one JSON object, for other programs")
    parser = commands.add_parser("history", help=_WORDS, description=_WORDS, parents=[every])
    parser.set_defaults(run=run, question="overview")
    questions = parser.add_subparsers(dest="question", metavar="QUESTION")

    def new(name: str, words: str) -> argparse.ArgumentParser:
        # What was said before the question counts, unless it is said again behind it.
        again = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
        add_place(again)
        again.add_argument("--last", type=count, metavar="N", help="look at the last N runs (default: 50)")
        again.add_argument("--of", metavar="RIG", help="only runs of the rig of this name")
        if name != "add":
            again.add_argument("--json", action="store_true", help="print one JSON object, for other programs")
        found = questions.add_parser(name, help=words, description=words, parents=[again])
        found.set_defaults(run=run)
        return found

    new("overview", "all of the following in one look: what is asked without a QUESTION")
    new("runs", "list the runs, with how many passed and failed")
    trend = new("trend", "one scenario, run by run, on each board; without a SCENARIO: list those there are")
    trend.add_argument("scenario", nargs="?", metavar="SCENARIO", help="its title, or a part that only one has")
    trend.add_argument("--board", metavar="NAME", help="only on this board")
    new("regressions", "what passed and fails now, since which run and which firmware; exit code 1 if any is sure")
    new("flaky", "what fails now and then on the same firmware, with its rate")
    new("drifts", "measurements that have moved, slowly or in a step")
    new("boards", "boards that fail alone: trouble of the board, not of the firmware")
    adding = new("add", "bring in a run from its folder; what is known already is not counted twice")
    adding.add_argument("folders", nargs="+", metavar="RUN", help="a run's folder, with its results.jsonl")


def add_place(parser: argparse.ArgumentParser) -> None:
    """The options that say where the history is; a rig is read only where --history and $HIL_HISTORY are silent."""
    suppressed = parser.argument_default == argparse.SUPPRESS
    parser.add_argument(
        "--history",
        metavar="URL",
        default=argparse.SUPPRESS if suppressed else None,
        help="a file, or postgresql://user@host/name (default: $HIL_HISTORY, else as the rig says)",
    )
    parser.add_argument(
        "--rig",
        dest="rig_file",
        metavar="FILE",
        default=argparse.SUPPRESS if suppressed else os.environ.get("HIL_RIG", "rigs/virtual.toml"),
        help="rig file that says where (default: $HIL_RIG, or rigs/virtual.toml)",
    )


def run(options: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises HistoryError, PlaceError and hil.toml.FileError."""
    from hil.history import actions

    return actions.ALL[options.question or "overview"](options)
