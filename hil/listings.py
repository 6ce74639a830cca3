"""The subcommands of `hil` that look at files alone, and need no rig: each from the options to an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console as Screen
from rich.table import Table

from hil import catalogue, run_folder
from hil import diagnose as diagnoses
from hil.guardian.lock_file import LockFileError, directory
from hil.timeline import Event, load_by_worker

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
    path, merged = run_folder.timeline_of(Path(options.timeline))
    if merged is not None:
        print(f"hil: note: merged what the workers of a run that was cut off had left: {merged}", file=sys.stderr)
    seen = load_by_worker(path)
    known = list(dict.fromkeys(name for events in seen.values() for name in diagnoses.boards(events)))
    wrong = [name for name in options.board or [] if name not in known]
    if wrong:
        names = ", ".join(known) or "none"
        print(f"hil: no board {wrong[0]!r} on this timeline; it has: {names}", file=sys.stderr)
        return 2
    chosen = options.board or known
    # What one worker saw explains what became of its own boards, and of no others.
    try:
        found = [text for one in chosen for events in seen.values() for text in _wrong_with(one, events, options.after)]
    except (KeyError, TypeError) as error:
        print(f"hil: {path}: an event is not as this version of hil records it ({error!r})", file=sys.stderr)
        return 1
    print("\n".join(found) or f"nothing looks wrong with {', '.join(chosen) or 'any board'}")
    return 0


def locks(options: argparse.Namespace) -> int:
    """List what is in use on this host, whoever's it is."""
    from hil.guardian.locks import held  # with all that a rig consists of

    holders = held()
    for holder in holders:
        board = f"board {holder.board}: " if holder.board else ""
        _screen.print(f"{board}{holder.what} is held by {holder.words}", soft_wrap=True, markup=False)
    if not holders:
        _screen.print(f"nothing is in use (locks are in {directory()})", soft_wrap=True, markup=False)
    return 0


def _wrong_with(board: str, events: Sequence[Event], after: int | None) -> Iterator[str]:
    """What probably went wrong with one board, test by test or from a position on."""
    if board not in diagnoses.boards(events):
        return
    whole = [diagnoses.Stretch(board, f"from position {after}", after or 0, None)]
    for stretch in whole if after is not None else diagnoses.stretches(events, board):
        named = diagnoses.diagnose(events, board, after=stretch.after, before=stretch.before)
        if named:
            start = next((e.monotonic for e in events if e.sequence >= stretch.after), 0.0)
            yield f"{board}, {stretch.name}:\n\n{diagnoses.render(named, start=start)}\n"


def merge(options: argparse.Namespace) -> int:
    """Make one timeline of those of a run's workers, and lay their logs beside it."""
    print(run_folder.merge(Path(options.run_folder)))
    return 0


ALL = {"scenarios": scenarios, "diagnose": diagnose, "merge": merge, "locks": locks}
