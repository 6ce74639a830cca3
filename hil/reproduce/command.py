"""`hil reproduce`: its options alone; what it does is in `hil.reproduce.actions`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hil.arguments import count, part, seconds

if TYPE_CHECKING:
    from hil.rig import Rig, RigBoard

WORDS = "try a case many times, boards side by side: how often it fails as reported, after how long, what differs"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options beside those that say which boards."""
    parser.add_argument("case", metavar="CASE", help="its folder, or the name of one that hil case list shows")
    parser.add_argument("--times", type=count, metavar="N", help="trials in all (default: 10; 50 of each to compare)")
    parser.add_argument(
        "--until-failure",
        action="store_true",
        help="end with the first trial that fails as reported (default for --times then: 1000)",
    )
    parser.add_argument("--limit", type=seconds, metavar="SECONDS", help="of each trial (default: as the case says)")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="CONDITION",
        help="leave a condition of the case out; may be given several times",
    )
    _add_comparing(parser)
    parser.add_argument("--run", metavar="FOLDER", help="where to leave the artifacts (default: below the rig's)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, and progress on stderr")


def _add_comparing(parser: argparse.ArgumentParser) -> None:
    """With which firmware, and what is laid beside it."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--firmware",
        dest="firmwares",
        action="append",
        default=[],
        metavar="PATH",
        help="an image, or a folder of images, in place of the case's; with several, which one fails more often",
    )
    which.add_argument(
        "--rig-firmware",
        action="store_true",
        help="with the firmware that the rig names, in place of the case's: the control",
    )
    parser.add_argument(
        "--least",
        type=part,
        default=0.2,
        metavar="D",
        help="of several firmwares: a difference of the rates below this is none (default: 0.2)",
    )
    parser.add_argument(
        "--error",
        type=part,
        default=0.05,
        metavar="P",
        help="of several firmwares: the chance of a wrong answer that you put up with (default: 0.05)",
    )
    parser.add_argument(
        "--against",
        metavar="RUN",
        help="an earlier run: its passing trials are compared where none passes now",
    )


def run(rig: Rig, boards: list[RigBoard], options: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises BenchError."""
    from hil.reproduce import actions

    return actions.reproduce(rig, boards, options)
