"""What `hil shrink` does: from the options to a smaller case, lines and an exit code."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hil import parts
from hil.cases import Case, load
from hil.cases.finding import find
from hil.report.legible import legible
from hil.reproduce.attempt import NoSignature, signature_of
from hil.reproduce.running import BenchRunner
from hil.rig import Rig, RigBoard
from hil.shrink import wording
from hil.shrink.shrinking import Ending, Plan, Shrinking
from hil.toml import FileError

SHRUNK, NOTHING, USAGE, UNFINISHED, INTERRUPTED = 0, 1, 2, 4, 130


def shrink(rig: Rig, boards: Sequence[RigBoard], options: argparse.Namespace) -> int:
    """Shrink, write what is left, and say it. Raises BenchError."""
    target = Path(options.to)
    try:
        case = load(find(options.case))
        signature_of(case)
        if target.exists():
            raise ValueError(f"--to: {target} is there already; name a new folder")
    except (FileError, NoSignature, OSError, ValueError) as error:
        print("\n".join(f"hil: {legible(line, keep='')}" for line in str(error).split("\n")), file=sys.stderr)
        return USAGE
    shrinking = Shrinking(case, Plan(options.error, options.first, options.times, len(boards)))
    whole = _done(shrinking, rig, [board.name for board in boards], options)
    return _told(shrinking, case, target, whole, options)


def _done(shrinking: Shrinking, rig: Rig, names: Sequence[str], options: argparse.Namespace) -> bool:
    """Do it; False if it was interrupted."""
    shown = sys.stderr if options.json else sys.stdout
    folder = Path(options.run) if options.run else parts.run_folder(rig)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with BenchRunner(rig, names, folder=folder) as run:
            for line in shrinking.go(run):
                print(legible(line, keep=""), file=shown, flush=True)
    except KeyboardInterrupt:
        return False
    return True


def _told(shrinking: Shrinking, case: Case, target: Path, whole: bool, options: argparse.Namespace) -> int:
    result = shrinking.result()
    if result.removed:
        result.case.write(target)
    if options.json:
        written = str(target) if result.removed else None
        print(json.dumps({"case": case.name, "to": written, "whole": whole, **wording.facts(result)}, indent=2))
    else:
        print("\n".join(legible(line, keep="") for line in wording.lines(result, 1 - options.error)))
        if result.removed:
            print(f"  the smaller case: {target}")
    if not whole:
        return INTERRUPTED
    if result.ending is Ending.UNFINISHED:
        return UNFINISHED
    return SHRUNK if result.removed else NOTHING
