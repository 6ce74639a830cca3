"""The options that hil gives pytest, each in the words of `pytest --help`."""

from __future__ import annotations

import pytest


def add(parser: pytest.Parser) -> None:
    """Have pytest know them."""
    group = parser.getgroup("hil", "hil: hardware in the loop")
    _bench(group)
    _results(group)
    _firmware(group)


def _bench(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--rig",
        metavar="FILE",
        help="rig file: boards, power, broker, gateway (default: $HIL_RIG, or rigs/virtual.toml below the rootdir)",
    )
    group.addoption(
        "--board",
        action="append",
        metavar="NAME",
        help="run on this board of the rig only; may be given several times (default: all of them)",
    )
    group.addoption(
        "--artifacts",
        metavar="DIR",
        help="where to leave timeline, console logs and tool output (default: as the rig says, a new folder each run)",
    )
    group.addoption(
        "--wait",
        metavar="SECONDS",
        type=float,
        help="wait so long for boards that another run has (default: as the rig says)",
    )
    group.addoption(
        "--soak",
        metavar="MINUTES",
        type=float,
        help="run the soak scenarios, for so many minutes each (default: they are not applicable)",
    )


def _results(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--reports",
        metavar="FORMS",
        help="which reports to leave in the run's folder, such as json,junit; or none (default: all; see hil report)",
    )
    group.addoption(
        "--history",
        metavar="URL",
        help="where results of many runs are kept: a file, postgresql://user@host/name, or 'off' (default: "
        "$HIL_HISTORY, else as the rig says, else history.sqlite beside its artifacts)",
    )
    group.addoption(
        "--part-of",
        metavar="DIR",
        help="this run is a part of the one in DIR, such as a night, whose parts/ has its artifacts: in the history "
        "they are one",
    )


def _firmware(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--firmware",
        action="append",
        metavar="[BOARD=]PATH",
        help="flash this, a file or a folder of images, in place of what the contract builds or names; may be given "
        "several times",
    )
    group.addoption(
        "--firmware-version",
        metavar="TEXT",
        help="the firmware's version, for the history (default: $HIL_FIRMWARE_VERSION, or what its image says)",
    )
    group.addoption(
        "--firmware-revision",
        metavar="TEXT",
        help="the revision it was built from, such as git's, for the history (default: $HIL_FIRMWARE_REVISION)",
    )
