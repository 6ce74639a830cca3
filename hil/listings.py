"""The subcommands of `hil` that look at files alone, and need no rig: each from the options to an exit code."""

from __future__ import annotations

import argparse

from rich.console import Console as Screen
from rich.table import Table

from hil import catalogue

#: Errors that end a command with one line and exit code 1.
EXPECTED = (OSError,)

_screen = Screen(highlight=False)


def scenarios(options: argparse.Namespace) -> int:
    """List the scenarios, of some groups or all."""
    groups = options.group or []
    listed = [s for s in catalogue.scenarios() if not groups or s.group in groups or (s.quick and "quick" in groups)]
    if options.markdown:
        print(catalogue.markdown(listed), end="")
        return 0
    table = Table("group", "scenario", "needs", box=None, pad_edge=False)
    for s in listed:
        table.add_row(s.group, s.title + ("*" if s.quick else ""), ", ".join(s.needs))
    _screen.print(table)
    _screen.print(f"{len(listed)} scenarios in {catalogue.folder()}; * is in the quick set", markup=False)
    return 0


ALL = {"scenarios": scenarios}
