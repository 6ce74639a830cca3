"""`hil bisect`: its options alone; what it does is in `hil.bisect.actions`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hil.arguments import confidence, count, seconds

if TYPE_CHECKING:
    from hil.rig import Rig, RigBoard

WORDS = "find the first firmware with which a case fails, among images or the revisions of a git repository"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options beside those that say which boards."""
    parser.add_argument("case", metavar="CASE", help="its folder, or the name of one that hil case list shows")
    images = parser.add_argument_group("images, oldest first: the first is good, the last is bad")
    images.add_argument(
        "--firmware",
        dest="firmwares",
        action="extend",
        nargs="+",
        default=[],
        metavar="PATH",
        help="images, or folders of images",
    )
    images.add_argument("--list", metavar="FILE", help="a file that names them, one a line")
    git = parser.add_argument_group("or revisions of a git repository, each built by a command")
    git.add_argument("--repo", metavar="DIR", help="the repository; its checkout is not touched")
    git.add_argument("--good", metavar="REV", help="a revision with which the case does not fail, or less often")
    git.add_argument("--bad", metavar="REV", default="HEAD", help="one with which it does (default: HEAD)")
    git.add_argument("--build", metavar="COMMAND", help="run by the shell in a checkout of each revision")
    git.add_argument("--image", metavar="PATH", help="what it makes, in the checkout: an image, or a folder of images")
    git.add_argument("--first-parent", action="store_true", help="of a merge follow the first parent alone")
    git.add_argument(
        "--build-timeout", type=seconds, default=1800.0, metavar="S", help="for each build (default: 1800 s)"
    )
    parser.add_argument(
        "--confidence",
        type=confidence,
        default=0.95,
        metavar="P",
        help="how sure the answer has to be (default: 0.95)",
    )
    parser.add_argument("--most", type=count, default=500, metavar="N", help="give up after N trials (default: 500)")
    parser.add_argument(
        "--ends",
        type=count,
        default=100,
        metavar="N",
        help="trials of the first and of the last, at most (default: 100)",
    )
    parser.add_argument(
        "-o",
        "--to",
        metavar="DIR",
        help="journal, builds and artifacts; the same one goes on where it was (default: bisect-CASE below the rig's)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, and progress on stderr")


def run(rig: Rig, boards: list[RigBoard], options: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises BenchError."""
    from hil.bisect import actions

    return actions.bisect(rig, boards, options)
