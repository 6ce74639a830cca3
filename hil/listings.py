"""The subcommands of `hil` that look at files alone, and need no rig: each from the options to an exit code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console as Screen
from rich.table import Table

from hil import catalogue
from hil import diagnose as diagnoses
from hil.guardian.lock_file import LockFileError, directory
from hil.guardian.locks import held
from hil.timeline import load

#: Errors that end a command with one line and exit code 1.
EXPECTED = (OSError, ValueError, LockFileError)

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
        table.add_row(s.group, s.title + ("*" if s.quick else "") + ("+" if s.long else ""), ", ".join(s.needs))
    _screen.print(table)
    _screen.print(f"{len(listed)} scenarios in {catalogue.folder()}; * is in the quick set, + takes long", markup=False)
    return 0


def diagnose(options: argparse.Namespace) -> int:
    """Say what probably went wrong, test by test, or from a position on; 0 also where nothing looks wrong."""
    if options.causes:
        print(diagnoses.markdown(), end="")
        return 0
    if options.timeline is None:
        print("hil: found no TIMELINE, expected a timeline.jsonl or the folder that holds it", file=sys.stderr)
        return 2
    path = Path(options.timeline)
    events = load(path / "timeline.jsonl" if path.is_dir() else path)
    known = diagnoses.boards(events)
    wrong = [name for name in options.board or [] if name not in known]
    if wrong:
        names = ", ".join(known) or "none"
        print(f"hil: no board {wrong[0]!r} on this timeline; it has: {names}", file=sys.stderr)
        return 2
    found = 0
    for board in options.board or known:
        whole = [diagnoses.Stretch(board, f"from position {options.after}", options.after or 0, None)]
        for stretch in whole if options.after is not None else diagnoses.stretches(events, board):
            named = diagnoses.diagnose(events, board, after=stretch.after, before=stretch.before)
            if named:
                found += 1
                start = next((e.monotonic for e in events if e.sequence >= stretch.after), 0.0)
                print(f"{board}, {stretch.name}:\n\n{diagnoses.render(named, start=start)}\n")
    if not found:
        print(f"nothing looks wrong with {', '.join(options.board or known) or 'any board'}")
    return 0


def locks(options: argparse.Namespace) -> int:
    """List what is in use on this host, whoever's it is."""
    holders = held()
    for holder in holders:
        board = f"board {holder.board}: " if holder.board else ""
        _screen.print(f"{board}{holder.what} is held by {holder.words}", soft_wrap=True, markup=False)
    if not holders:
        _screen.print(f"nothing is in use (locks are in {directory()})", soft_wrap=True, markup=False)
    return 0


ALL = {"scenarios": scenarios, "diagnose": diagnose, "locks": locks}
