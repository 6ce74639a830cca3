"""Walks: has images made, runs the trials that a walk asks for, and notes all of it in the journal."""

from __future__ import annotations

from collections.abc import Callable

from hil.bisect.versions import CannotBeTried, Versions
from hil.bisect.walk import Turn, Walk
from hil.cases import Case
from hil.reproduce.journal import Journal
from hil.reproduce.telling import words
from hil.reproduce.trial import Runner

_NOT_RUN = 3
"""A version of which so many trials for each board were asked for, and none could be run, is passed over."""


def resume(walk: Walk, versions: Versions, journal: Journal) -> int:
    """Tell the walk what the journal knows; returns how many trials that were.

    Those that could not be run are not told: the bench may be well by now.
    """
    place = {version.name: number for number, version in enumerate(versions.versions)}
    trials = 0
    for entry in journal.entries:
        if entry.trial is not None and entry.trial.outcome.counts:
            walk.add(place[entry.of], entry.trial)
            trials += 1
        elif entry.skipped is not None:
            walk.skip(place[entry.of], entry.skipped)
    return trials


def play(
    walk: Walk, versions: Versions, case: Case, run: Runner, journal: Journal, told: Callable[[str], None]
) -> None:
    """Go on until the walk wants no more. `told` gets a line for each thing that happens.

    Raises what `run` raises, and hil.bisect.revisions.GitError.
    """
    while (turn := walk.next_turn()) is not None:
        name = versions.versions[turn.version].name
        try:
            image = versions.image(turn.version, told)
        except CannotBeTried as error:
            _skip(walk, turn, journal, name, str(error), told)
            continue
        why = ""
        for trial in run(case.with_firmware(image, version=name), times=turn.times):
            journal.trial(name, trial)
            walk.add(turn.version, trial)
            why = trial.why
            told(f"{name}  {words(trial)}")
        tally = walk.tallies[turn.version]
        if not tally.tries and tally.not_run >= _NOT_RUN * turn.times:
            _skip(walk, turn, journal, name, f"could not be run: {why}", told)


def _skip(walk: Walk, turn: Turn, journal: Journal, name: str, why: str, told: Callable[[str], None]) -> None:
    walk.skip(turn.version, why)
    journal.skip(name, why)
    told(f"{name}  passed over: {why}")
