"""The `hil` command: the same boards, parts and checks as the pytest fixtures, by hand. Thin."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hil.arguments import patience
from hil.bisect import command as bisect
from hil.cases import command as cases
from hil.chain import command as chain
from hil.file_error import FileError
from hil.history import command as history
from hil.history import quarantining as quarantine
from hil.nightly import options as nightly
from hil.pem import command as pem
from hil.pki import command as pki
from hil.ports import command as ports
from hil.report import command as report
from hil.reproduce import command as reproduce
from hil.serve import command as serve
from hil.shrink import command as shrink
from hil.watch import command as watch

if TYPE_CHECKING:
    from hil.rig import Rig, RigBoard

#: Exit codes: 0 done, 1 it could not be done, 2 the command or a file is wrong.
FAILED, USAGE = 1, 2

#: The rooms that have commands of their own: each adds its parser, whose `run` takes the options.
ROOMS = (cases, chain, history, pem, pki, ports, quarantine, report, serve)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code. Errors are one line each on stderr, with no traceback."""
    try:
        return _main(arguments)
    except KeyboardInterrupt:  # while modules are loaded: what runs has seen to it by itself
        return 130


def _main(arguments: list[str] | None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "rig") or getattr(options, "followed", None) is not None:
        return _without_a_rig(options)
    from hil import rig as rigs
    from hil.firmware_given import with_firmware

    try:
        rig = rigs.load(Path(options.rig))
        rig = rig.waiting(options.wait)
        if getattr(options, "pki", None) is not None:
            rig = rig.with_pki(Path(options.pki))
        rig = with_firmware(rig, getattr(options, "firmware", None) or ())
        boards = rig.select(options.board)
    except FileError as error:
        print(f"hil: {error}", file=sys.stderr)
        return USAGE
    from hil import commands
    from hil.signals import terminated_as

    run: Callable[[Rig, list[RigBoard], argparse.Namespace], int] = commands.ALL[options.command]
    try:
        with terminated_as(_interrupt):
            return run(rig, boards, options)
    except KeyboardInterrupt:
        return 130
    except commands.EXPECTED as error:
        print(f"hil: {error}", file=sys.stderr)
        return FAILED


def _without_a_rig(options: argparse.Namespace) -> int:
    """The commands that look at files alone."""
    from hil import listings

    try:
        if hasattr(options, "run"):
            return int(options.run(options))
        return listings.ALL[options.command](options)
    except FileError as error:
        print("\n".join(f"hil: {line}" for line in str(error).split("\n")), file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 130
    except listings.EXPECTED as error:
        print(f"hil: {error}", file=sys.stderr)
        return FAILED


def _interrupt() -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hil",
        description="Work with the boards of a bench by hand. Tests run with pytest; see pytest --help, group hil.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    every = _on_boards()

    def add(name: str, words: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=words, description=words, parents=[every])

    _add_doctor(
        add("doctor", "check all of the bench's parts, and say what to do about each fault; touches no board unasked")
    )
    _add_changing(add)
    _add_looking_on(add)
    reproduce.add_options(add("reproduce", reproduce.WORDS))
    words = "a whole night: doctor, flash, all scenarios side by side, soak, reports; goes on after a crash"
    night = add("nightly", words)
    _add_firmware(night)
    nightly.add(night)
    bisect.add_options(add("bisect", bisect.WORDS))
    shrink.add_options(add("shrink", shrink.WORDS))
    _add_listings(commands)
    for room in ROOMS:
        room.add(commands)
    return parser


def _on_boards() -> argparse.ArgumentParser:
    """The options of all commands that are about boards."""
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument(
        "--rig",
        metavar="FILE",
        default=os.environ.get("HIL_RIG", "rigs/virtual.toml"),
        help="rig file (default: $HIL_RIG, or rigs/virtual.toml)",
    )
    every.add_argument(
        "--board", action="append", metavar="NAME", help="only this board; may be given several times (default: all)"
    )
    every.add_argument(
        "--wait",
        metavar="SECONDS",
        type=patience,
        help="wait so long for boards that another run has (default: as the rig says, which by itself is not at all)",
    )
    return every


def _add_changing(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """The commands that write to boards, switch or reset them."""
    flash = add("flash", "build the firmware if its contract says how, and flash what differs")
    flash.add_argument("--force", action="store_true", help="write everything, even what lies in flash already")
    flash.add_argument("--erase", action="store_true", help="erase the whole flash first: settings are lost")
    _add_firmware(flash)
    provision = add("provision", "put settings and credentials into the boards; only what differs is written")
    provision.add_argument(
        "--check", action="store_true", help="write nothing: say what differs (exit code 1 if anything does)"
    )
    provision.add_argument(
        "--pki", metavar="FILE", help="credentials of this hierarchy (hil pki), in place of what the rig says"
    )
    power = add("power", "switch the boards' supply")
    power.add_argument("action", choices=["on", "off", "cycle", "status"])
    reset = add("reset", "reset through the serial lines (EN), or by the firmware's own command")
    reset.add_argument("--soft", action="store_true", help="by the firmware's own command, as its contract says")
    reset.add_argument("--download", action="store_true", help="into the ROM's download mode")


def _add_looking_on(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """The commands that go on until somebody ends them."""
    console = add("console", "show a board's console; what is typed is sent")
    console.add_argument("--reset", action="store_true", help="hard reset first, to see it boot")
    console.add_argument("--seconds", type=patience, metavar="S", help="end after so many seconds (default: Ctrl-C)")
    monitor = add("monitor", "open the whole bench, switch the boards on, and show what broker and gateway see")
    monitor.add_argument("--seconds", type=patience, metavar="S", help="end after so many seconds (default: Ctrl-C)")
    monitor.add_argument("--topic", default="#", metavar="FILTER", help="only messages that fit (default: all)")
    watch.add_options(add("watch", watch.WORDS))
    link = add("link", "carry the lines of boards without a network to the rig's broker, and show it")
    link.add_argument("--reset", action="store_true", help="hard reset first: a board says only then what it wants")
    link.add_argument("--seconds", type=patience, metavar="S", help="end after so many seconds (default: Ctrl-C)")


def _add_firmware(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--firmware",
        action="append",
        metavar="[BOARD=]PATH",
        help="this, a file or a folder of images, in place of what the contract builds or names; may be given several "
        "times",
    )


def _add_doctor(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument(
        "--probe",
        action="store_true",
        help="ask each chip, too, for flash encryption and secure boot: resets the boards",
    )
    doctor.add_argument(
        "--power",
        action="store_true",
        help="switch each board off and on, and measure whether it really loses its supply",
    )
    doctor.add_argument(
        "--listen", action="store_true", help="reset each board and judge whether its console is read at the right rate"
    )
    doctor.add_argument(
        "--udev", metavar="FILE", help="write udev rules for what is connected to a new file, to review; nothing else"
    )
    doctor.add_argument(
        "--wait-for-board",
        action="store_true",
        help="restart each board in front of the open gateway, and say how far it comes",
    )
    doctor.add_argument("--all", action="store_true", help="show each check that found nothing wrong, too")
    doctor.add_argument("--json", action="store_true", help="print all findings as one JSON object")


def _add_listings(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    words = "list the boards and outlets of this host that are in use: by whom, and since when"
    commands.add_parser("locks", help=words, description=words)
    words = "list the scenarios: what each judges, and what it covers"
    scenarios = commands.add_parser("scenarios", help=words, description=words)
    scenarios.add_argument("--group", action="append", metavar="NAME", help="only this group, such as tls; or quick")
    scenarios.add_argument("--markdown", action="store_true", help="as the tables of docs/scenarios.md")
    words = "say what probably went wrong on a timeline: the cause, what shows it, and where to look next"
    diagnose = commands.add_parser("diagnose", help=words, description=words)
    diagnose.add_argument(
        "timeline", nargs="?", metavar="TIMELINE", help="a timeline.jsonl, or the artifacts folder that holds it"
    )
    diagnose.add_argument("--causes", action="store_true", help="list the causes that there are, and nothing else")
    diagnose.add_argument("--board", action="append", metavar="NAME", help="only this board (default: all)")
    diagnose.add_argument(
        "--after", type=int, metavar="N", help="from this position on (default: each test of the timeline by itself)"
    )
    words = "make one timeline of those that the workers of a run left, as after a run that was killed"
    merge = commands.add_parser("merge", help=words, description=words)
    merge.add_argument("run_folder", metavar="RUN", help="the run's artifacts folder: the one that holds workers/")


if __name__ == "__main__":
    sys.exit(main())
