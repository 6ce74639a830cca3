"""Trials as they lie in a run's folder: written as each ends, read back with their events."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hil.reproduce.difference import Course, Difference, course, difference
from hil.reproduce.trial import Outcome, Trial
from hil.timeline import Event, load
from hil.toml import FileError

TRIALS = "trials.jsonl"
"""A trial a line; timelines are named from the folder on in which this file lies."""


def keep(trial: Trial, folder: Path) -> None:
    """Write one trial down, whole and at once: it survives a kill."""
    timeline = os.path.relpath(trial.timeline, folder) if trial.timeline else ""
    line = json.dumps(replace(trial, timeline=timeline).facts(), ensure_ascii=False) + "\n"
    file = os.open(folder / TRIALS, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def kept(folder: Path) -> list[Trial]:
    """The trials of a run. A last line that a kill cut off is left out. Raises FileError."""
    path = folder / TRIALS
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise FileError(path, [f"{error.strerror}; expected the folder that hil reproduce has left"]) from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            trial = Trial.from_facts(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise FileError(path, [f"line {number} is no trial ({error})"]) from None
        found.append(replace(trial, timeline=str((folder / trial.timeline).resolve())))
    return found


def first_difference(trials: Sequence[Trial], against: Sequence[Trial] = ()) -> tuple[Difference | None, str]:
    """Where the trials that failed as reported leave those that passed, and in words what was compared.

    `against`: trials of another run, whose passing ones are taken where none of these passed. Raises ValueError for a
    timeline that is none, OSError for one that is not there.
    """
    failing = [trial for trial in trials if trial.outcome is Outcome.REPRODUCED]
    passing = [trial for trial in trials if trial.outcome is Outcome.PASSED]
    words = f"{len(failing)} failing with {len(passing)} passing trials"
    if not passing:
        passing = [trial for trial in against if trial.outcome is Outcome.PASSED]
        words = f"{len(failing)} failing with {len(passing)} passing trials of the other run"
    if not failing:
        return None, "nothing: no trial failed as reported"
    if not passing:
        return None, "nothing: no trial passed; --against RUN takes the passing ones of another run"
    without: list[str] = []
    if any(trial.firmware not in _firmwares(passing, trial.board) for trial in failing):
        without.append("console")
        words += ", which ran other firmware: consoles were left out"
    events: dict[str, list[Event]] = {}
    found = difference(_courses(failing, events), _courses(passing, events), without=without)
    return found, words if found is not None else f"{words}; they do not differ on the timeline"


def difference_of(trials: Sequence[Trial], against: Sequence[Trial] = ()) -> tuple[Difference | None, str]:
    """The same as `first_difference`; where a timeline cannot be read, words say so."""
    try:
        return first_difference(trials, against)
    except (OSError, ValueError) as error:
        return None, f"nothing: {error}"


def _firmwares(trials: Sequence[Trial], board: str) -> set[str]:
    """What a trial of this board is held against: the firmwares of its own trials, of all where there are none."""
    ours = {trial.firmware for trial in trials if trial.board == board}
    return ours or {trial.firmware for trial in trials}


def _courses(trials: Sequence[Trial], events: dict[str, list[Event]]) -> list[Course]:
    return [_course(trial, events) for trial in trials]


def _course(trial: Trial, events: dict[str, list[Event]]) -> Course:
    """A trial as lanes, from its first step on: what is done before, and after its verdict, is the bench's affair."""
    if trial.timeline not in events:
        events[trial.timeline] = load(Path(trial.timeline))
    window = [e for e in events[trial.timeline][trial.after : trial.before] if e.board == trial.board]
    start = next((n for n, e in enumerate(window) if e.source in ("power", "reset") and e.kind != "off"), 0)
    return course(window[start:], trial.board)
