"""`hil shrink`: its options alone; what it does is in `hil.shrink.actions`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hil.arguments import count, part

if TYPE_CHECKING:
    from hil.rig import Rig, RigBoard

WORDS = "take away from a case what its failure does not need, until the smallest is left"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options beside those that say which boards."""
    parser.add_argument("case", metavar="CASE", help="its folder, or the name of one that hil case list shows")
    parser.add_argument(
        "-o", "--to", required=True, metavar="DIR", help="where to write the smaller case: a new folder"
    )
    parser.add_argument("--first", type=count, default=20, metavar="N", help="trials of the whole case (default: 20)")
    parser.add_argument(
        "--times",
        type=count,
        default=250,
        metavar="N",
        help="trials of each smaller one, at most (default: 250)",
    )
    parser.add_argument(
        "--error",
        type=part,
        default=0.05,
        metavar="P",
        help="the chance that you put up with that the smaller case fails less than half as often (default: 0.05)",
    )
    parser.add_argument(
        "--whole", action="store_true", help="leave conditions out whole alone: lower no number, shorten no list"
    )
    parser.add_argument(
        "--run",
        metavar="FOLDER",
        help="journal and artifacts; the same one goes on where it was (default: shrink-CASE below the rig's)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, and progress on stderr")


def run(rig: Rig, boards: list[RigBoard], options: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises BenchError."""
    from hil.shrink import actions

    return actions.shrink(rig, boards, options)
