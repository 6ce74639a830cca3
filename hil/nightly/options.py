"""`hil nightly`: the parser alone; what the command does is in `hil.nightly.command`."""

from __future__ import annotations

import argparse
from pathlib import Path

from hil.arguments import count

_DOCTOR = ("--power", "--listen", "--probe", "--wait-for-board")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options; --rig, --board, --wait and --firmware are there already."""
    parser.add_argument(
        "tests",
        nargs="*",
        metavar="TEST",
        help="files, folders or node ids of tests, as pytest takes them (default: the scenarios that come with hil)",
    )
    parser.add_argument("-m", dest="marked", metavar="EXPR", help="only tests with these markers, such as 'not long'")
    parser.add_argument("-k", dest="named", metavar="EXPR", help="only tests whose names fit")
    parser.add_argument(
        "--firmware-version", metavar="TEXT", help="the firmware's version (default: $HIL_FIRMWARE_VERSION)"
    )
    parser.add_argument(
        "--firmware-revision", metavar="TEXT", help="the revision it was built from (default: $HIL_FIRMWARE_REVISION)"
    )
    parser.add_argument("--soak-until", metavar="HH:MM", help="soak until then (default: no soak)")
    parser.add_argument("--deadline", metavar="HH:MM", help="end whatever runs then, and say what was not run")
    parser.add_argument("--policy", metavar="FILE", type=Path, help="which failures may be tried again, and how often")
    parser.add_argument(
        "--doctor", action="append", choices=_DOCTOR, metavar="OPTION", help="have the doctor do this, too: --doctor="
        "--power, for one"
    )  # fmt: skip
    parser.add_argument("--history", metavar="URL", help="where results of many runs are kept, as for pytest")
    parser.add_argument(
        "--notify", metavar="COMMAND", help="run this at the end, with the summary on its standard input"
    )
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="add the summary to this file, as Markdown")
    parser.add_argument(
        "--keep", metavar="N", type=count, help="at the end delete the folders of all but the last N nights of this rig"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--folder", metavar="DIR", type=Path, help="the night's folder: a new one, or one to go on with")
    where.add_argument("--resume", metavar="DIR", type=Path, help="go on with this night, also if it has ended")
    where.add_argument(
        "--if-cut-short",
        action="store_true",
        help="go on with the night that was cut short, and do nothing where there is none: for the start of the host",
    )
    where.add_argument("--new", action="store_true", help="begin a new night, also if one was cut short")
