"""What `hil shrink` does: from the options to a smaller case, lines and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from hil.cases import Case, load
from hil.cases.finding import find
from hil.report.legible import legible
from hil.reproduce.attempt import NoSignature, signature_of
from hil.reproduce.journal import Journal, JournalError
from hil.reproduce.running import BenchRunner
from hil.reproduce.telling import complaint, teller, words
from hil.rig import Rig, RigBoard
from hil.shrink import wording
from hil.shrink.resuming import Resuming, asked
from hil.shrink.shrinking import Ending, Result, Shrinking
from hil.shrink.tried import Plan
from hil.toml import FileError

SHRUNK, NOTHING, USAGE, UNFINISHED, INTERRUPTED = 0, 1, 2, 4, 130


def shrink(rig: Rig, boards: Sequence[RigBoard], options: argparse.Namespace) -> int:
    """Shrink, write what is left, and say it. Raises BenchError."""
    target = Path(options.to)
    with contextlib.ExitStack() as opened:
        try:
            case = load(find(options.case))
            signature_of(case)
            if target.exists():
                raise ValueError(f"--to: {target} is there already; name a new folder")
            target.parent.mkdir(parents=True, exist_ok=True)  # said now, and not after all the trials
            folder = Path(options.run) if options.run else rig.resolve(rig.file.artifacts) / f"shrink-{case.name}"
            journal = opened.enter_context(Journal(folder, asked(case), what="shrinking", option="--run"))
        except (FileError, JournalError, NoSignature, OSError, ValueError) as error:
            print(complaint(error), file=sys.stderr)
            return USAGE
        plan = Plan(options.error, options.first, options.times, len(boards), within=not options.whole)
        shrinking = Shrinking(case, plan)
        whole = _done(shrinking, rig, [board.name for board in boards], journal, options)
        return _told(shrinking.result(), case, target, folder, whole, options)


def _done(shrinking: Shrinking, rig: Rig, names: Sequence[str], journal: Journal, options: argparse.Namespace) -> bool:
    """Do it; False if it was interrupted."""
    tell = teller(as_json=options.json)
    case = shrinking.result().case
    tell(f"{case.name}: {len(case.conditions)} conditions, on {', '.join(names)}")
    run_folder = journal.path.parent / "runs" / datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        with BenchRunner(rig, names, folder=run_folder, first=journal.next_number) as bench:
            run = Resuming(bench, journal, lambda trial: tell(f"  {words(trial)}"))
            if run.known:
                tell(f"{run.known} trials are known from {journal.path}")
            for line in shrinking.go(run):
                tell(line)
    except KeyboardInterrupt:
        return False
    return True


def _told(result: Result, case: Case, target: Path, folder: Path, whole: bool, options: argparse.Namespace) -> int:
    ended = whole and result.ending is not Ending.UNFINISHED
    written = target if ended else folder / "smallest"
    shrunk = bool(result.removed or result.less)
    if shrunk:
        result.case.write(written)
    if options.json:
        to = str(written) if shrunk else None
        print(json.dumps({"case": case.name, "to": to, "whole": whole, **wording.facts(result)}, indent=2))
    else:
        so_far = [] if whole else ["interrupted; so far:"]
        lines = [*so_far, *wording.lines(result, 1 - options.error)]
        print("\n".join(legible(line, keep="") for line in lines))
        if shrunk:
            print(f"  {'the smaller case' if ended else 'the smallest so far'}: {written}")
        print(f"  {folder} holds the journal{'' if ended else ': the same command goes on from there'}")
    if not whole:
        return INTERRUPTED
    if result.ending in (Ending.UNFINISHED, Ending.GIVEN_UP):
        return UNFINISHED
    return SHRUNK if shrunk else NOTHING
