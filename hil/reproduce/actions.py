"""What `hil reproduce` does."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hil.cases import Case, load
from hil.cases.applying import rig_for
from hil.cases.case import FirmwareTable
from hil.cases.finding import find
from hil.folders import new_run_folder
from hil.report.legible import legible
from hil.reproduce.attempt import NoSignature, signature_of
from hil.reproduce.comparing import Plan
from hil.reproduce.kept import difference_of, kept
from hil.reproduce.reported import compared, misfit, recordings
from hil.reproduce.running import BenchRunner
from hil.reproduce.summary import Finding, Summary
from hil.reproduce.telling import complaint, teller, words
from hil.reproduce.trial import Outcome, Trial
from hil.reproduce.versus import Beside, code_of, compare, with_each
from hil.rig import Rig, RigBoard
from hil.templates import TemplateError
from hil.toml import FileError

CODES = {
    Finding.REPRODUCED: 0,
    Finding.BESIDE_OTHERS: 0,
    Finding.NOT_REPRODUCED: 1,
    Finding.OTHERWISE: 3,
    Finding.NOTHING_RAN: 4,
}
"""Exit codes; 2 is a case or an option that cannot be used, 130 a Ctrl-C before anything was known."""

_TIMES, _TIMES_UNTIL_FAILURE, _TIMES_TO_COMPARE = 10, 1000, 50


def reproduce(rig: Rig, boards: Sequence[RigBoard], options: argparse.Namespace) -> int:
    """Try the case, say what it came to. Raises BenchError."""
    names = [board.name for board in boards]
    try:
        case = case_of(options)
        signature_of(case)
        rig_for(case, rig, names)
        misfits = [(one.file, lacks) for one in recordings(case) if (lacks := misfit(case, one)) is not None]
        against = kept(Path(options.against)) if options.against is not None else []
        several = with_each(case, [Path(path) for path in options.firmwares]) if len(options.firmwares) > 1 else {}
        if several and options.until_failure:
            raise ValueError("--until-failure: found it with several firmwares, expected one")
        folder = _folder(rig, options)
    except (FileError, TemplateError, NoSignature, KeyError, OSError, ValueError) as error:
        print(complaint(error), file=sys.stderr)
        return 2
    for file, missing in misfits:
        line = f"hil: warning: case {case.name}: the signature does not fit {file}: {missing}"
        print(legible(line, keep=""), file=sys.stderr)
    if several:
        return _compared(case, several, rig, names, folder, options)
    found, whole = _tried(case, rig, names, folder, options)
    summary = _summary(case, found, against)
    if options.json:
        facts = {"case": case.name, "title": case.title, "run": str(folder), "whole": whole, **summary.facts()}
        print(json.dumps(facts, ensure_ascii=False, indent=2))
    elif not found and not whole:
        print("interrupted before the first trial ended")
    else:
        so_far = [] if whole else [f"interrupted after {len(found)} of {_times(options)} trials; so far:"]
        lines = [*so_far, f"{case.name}: {case.title}", *summary.lines()]
        print("\n".join(legible(line, keep="") for line in lines))
        print(f"  artifacts: {folder}; hil diagnose and hil report read them")
        if summary.of(Outcome.REPRODUCED):
            print(f"  a test of it: hil case scenario {shlex.quote(options.case)} --run {shlex.quote(str(folder))}")
    return CODES[summary.finding] if whole or summary.tried else 130


def _folder(rig: Rig, options: argparse.Namespace) -> Path:
    """Where to leave the artifacts. Raises ValueError for a folder that holds a run already, OSError for one that
    cannot be made."""
    folder = new_run_folder(rig) if options.run is None else Path(options.run)
    if (folder / "timeline.jsonl").exists():
        raise ValueError(f"--run: {folder} holds a run already; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def case_of(options: argparse.Namespace) -> Case:
    """The case that is named, changed as the options say. Raises FileError, and KeyError for an unknown condition."""
    case = load(find(options.case)).without(options.without)
    if len(options.firmwares) == 1:
        (case,) = with_each(case, [Path(options.firmwares[0])]).values()
    if options.rig_firmware:
        case = replace(case, file=case.file.model_copy(update={"firmware": FirmwareTable()}))
    if options.limit is not None:
        trial = case.trial.model_copy(update={"limit": options.limit})
        case = replace(case, file=case.file.model_copy(update={"trial": trial}))
    return case


def _times(options: argparse.Namespace) -> int:
    return options.times or (_TIMES_UNTIL_FAILURE if options.until_failure else _TIMES)


def _tried(
    case: Case, rig: Rig, boards: Sequence[str], folder: Path, options: argparse.Namespace
) -> tuple[list[Trial], bool]:
    """The trials, and whether they came to their end; a Ctrl-C leaves what is known so far."""
    times, tell = _times(options), teller(as_json=options.json)
    found: list[Trial] = []
    tell(f"{case.name}: {times} trials on {', '.join(boards)}, once the bench is open and the firmware written")
    with BenchRunner(rig, boards, folder=folder) as runner:
        trials = runner(case, times=times, stop=_failed if options.until_failure else None)
        try:
            with contextlib.closing(trials):
                for trial in trials:
                    found.append(trial)
                    tell(_line(trial, len(found), times))
        except KeyboardInterrupt:
            return found, False
    return found, True


def _compared(
    case: Case,
    cases: Mapping[str, Case],
    rig: Rig,
    boards: Sequence[str],
    folder: Path,
    options: argparse.Namespace,
) -> int:
    """Try the case with each firmware, and say which fails more often. Raises BenchError."""
    times = options.times or _TIMES_TO_COMPARE
    plan = Plan(error=options.error, least=options.least, times=times, boards=len(boards))
    tell = teller(as_json=options.json)
    counts, found = Counter[str](), list[Trial]()

    def told(name: str, trial: Trial) -> None:
        counts[name] += 1
        found.append(trial)
        tell(f"{name}  {_line(trial, counts[name], times)}")

    each = f"{times} trials at most of each of {', '.join(cases)}"
    tell(f"{case.name}: {each}, on {', '.join(boards)}, once the bench is open")
    with BenchRunner(rig, boards, folder=folder) as run:
        comparison, whole = compare(cases, run, plan, told)
    beside = Beside.of(found)
    if options.json:
        facts = {"case": case.name, "title": case.title, "run": str(folder), "whole": whole}
        print(json.dumps({**facts, **comparison.facts(), **beside.facts()}, ensure_ascii=False, indent=2))
    else:
        so_far = [] if whole else ["interrupted; so far:"]
        lines = [*so_far, f"{case.name}: {case.title}", *str(comparison).split("\n"), *beside.lines()]
        lines.append(f"artifacts: {folder}; hil diagnose and hil report read them")
        print("\n".join(legible(line, keep="") for line in lines))
    return code_of(comparison) if whole or comparison.trials else 130


def _failed(trials: Sequence[Trial]) -> bool:
    return trials[-1].outcome is Outcome.REPRODUCED


def _line(trial: Trial, number: int, times: int) -> str:
    return f"[{number:{len(str(times))}}/{times}] {words(trial)}"


def _summary(case: Case, found: Sequence[Trial], against: Sequence[Trial]) -> Summary:
    difference, beside = difference_of(found, against)
    try:
        reported = compared(case, found)
    except (OSError, ValueError) as error:
        return Summary(found, difference, f"{beside}; nothing of the case's evidence: {error}")
    return Summary(found, difference, beside, reported)
