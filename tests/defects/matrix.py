"""The whole defect matrix: every broken firmware against every scenario, on virtual benches side by side.

    make defects
    python -m tests.defects.matrix --only "without will" --only good
    python -m tests.defects.matrix --firmware uno

Leaves matrix.md and matrix.json in artifacts/defects, or artifacts/defects-uno. Exit code 1 if a defect was not caught
by the scenario meant for it, if good firmware was caught, if a catch elsewhere has no explanation in the table, if the
diagnosis of a meant catch is another than the table's, if a scenario has no defect or an option no row.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hil.signals import terminated_as
from tests.defects import causes, judge, page, plan
from tests.defects.benches import ROOT
from tests.defects.table import OPTIONS, REFERENCE, TABLES, UNO, Defect, TableError, good, load

FOLDERS = {REFERENCE: ROOT / "artifacts" / "defects", UNO: ROOT / "artifacts" / "defects-uno"}

BENCHES_A_CORE = {REFERENCE: 10, UNO: 2}
"""Benches side by side for each core of this machine: scenarios mostly wait, and a bench takes a few hundredths of a
core. A simulated AVR takes a good part of one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 if all is as the table says."""
    options = _parser().parse_args(arguments)
    options.benches = options.benches or BENCHES_A_CORE[options.firmware] * (os.cpu_count() or 1)
    options.out = options.out or FOLDERS[options.firmware]
    started = time.monotonic()
    try:
        defects = load(TABLES[options.firmware], options.firmware)
    except TableError as error:
        print(error, file=sys.stderr)
        return 2
    chosen = [d for d in [*good(defects), *defects] if not options.only or _is_chosen(d, options.only)]
    if not chosen:
        print(f"no firmware fits {', '.join(options.only)}; expected options as in defects.toml, or good")
        return 2
    with terminated_as(_end):
        return _run(options, defects, chosen, started)


def _end() -> None:
    raise KeyboardInterrupt


def _run(options: argparse.Namespace, defects: Sequence[Defect], chosen: Sequence[Defect], started: float) -> int:
    if not options.resume:
        shutil.rmtree(options.out, ignore_errors=True)
    shutil.rmtree(options.out / "again", ignore_errors=True)
    jobs = plan.whole(chosen, options.out, options.meant)
    print(f"{len(jobs)} firmwares, {options.benches} benches side by side", flush=True)
    rows = judge.fold(chosen, plan.run(jobs, options.benches, told=True))
    causes.diagnose_all(rows)
    plan.try_again(rows, options.out / "again", told=True)
    causes.diagnose_all(rows)
    problems = [problem for row in rows for problem in row.problems()]
    if not options.only:
        problems += incomplete(defects, options.firmware)
    seconds = time.monotonic() - started
    (options.out / "matrix.md").write_text(page.markdown(rows, problems, seconds))
    (options.out / "matrix.json").write_text(page.as_json(rows, problems, seconds))
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems, {seconds / 60:.1f} minutes; see {options.out / 'matrix.md'}")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.defects.matrix", description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="firmwares whose name holds TEXT")
    parser.add_argument("--meant", action="store_true", help="broken firmware meets the scenarios meant for it alone")
    parser.add_argument("--firmware", choices=TABLES, default=REFERENCE, help="whose mistakes; default: %(default)s")
    parser.add_argument("--benches", type=int, help="side by side; default: so many for each core that it bears")
    parser.add_argument("--resume", action="store_true", help="keep what an interrupted run has finished")
    parser.add_argument("--out", type=Path, help="where to leave the matrix")
    return parser


def _is_chosen(defect: Defect, texts: Sequence[str]) -> bool:
    return any(text in defect.title for text in texts)


def incomplete(defects: Sequence[Defect], firmware: str = REFERENCE) -> list[str]:
    """What the tables lack: scenarios that no defect of any is meant for, options that no row of this one has."""
    all_of_them = [*defects, *(d for name, path in TABLES.items() if name != firmware for d in load(path, name))]
    found = [
        f"{name}: no defect is meant for this scenario" for name in judge.unproven(plan.scenario_names(), all_of_them)
    ]
    used = {option for defect in defects for option in defect.options}
    flags = (option.flag.removeprefix("--") for option in OPTIONS[firmware])
    return found + [f"{flag}: no row of the table has this option" for flag in flags if flag not in used]


if __name__ == "__main__":
    sys.exit(main())
