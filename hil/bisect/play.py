"""Walks: has images made, runs the trials that a walk asks for, and notes all of it in the journal."""

from __future__ import annotations

from collections.abc import Callable

from hil.bisect.versions import CannotBeTried, Versions
from hil.bisect.walk import Walk
from hil.cases import Case
from hil.reproduce.journal import Journal
from hil.reproduce.telling import words
from hil.reproduce.trial import Runner

_NOT_RUN = 3
"""A version of which so many trials for each board were asked for, and none could be run, is passed over."""


def resume(walk: Walk, versions: Versions, journal: Journal) -> int:
    """Tell the walk what the journal knows; returns how many trials that were.

    Those that could not be run are not told: the bench may be well by now. Nor is it of the first and the last version
    that they cannot be tried: without them nothing is found, so somebody has put right what was wrong.
    """
    place = {version.name: number for number, version in enumerate(versions.versions)}
    trials = 0
    for entry in journal.entries:
        if entry.trial is not None and entry.trial.outcome.counts:
            walk.add(place[entry.of], entry.trial)
            trials += 1
        elif entry.skipped is not None and place[entry.of] not in (0, walk.last):
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
            walk.skip(turn.version, str(error))
            journal.skip(name, str(error))
            told(f"{name}  passed over: {error}")
            continue
        why = ""
        for trial in run(case.with_firmware(image, version=name), times=turn.times):
            journal.trial(name, trial)
            walk.add(turn.version, trial)
            why = trial.why
            told(f"{name}  {words(trial)}")
        tally = walk.tallies[turn.version]
        if not tally.tries and tally.not_run >= _NOT_RUN * turn.times:
            walk.skip(turn.version, f"could not be run: {why}")
            told(f"{name}  passed over: could not be run: {why}")
