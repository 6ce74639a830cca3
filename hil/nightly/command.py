"""`hil nightly`: from its options to an exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from hil import catalogue
from hil.history import place
from hil.history.witness import REVISION, VERSION
from hil.nightly import ending, keeping, policy
from hil.nightly.arguments import of_rig
from hil.nightly.clock import moment_after
from hil.nightly.journal import Journal, NightTaken
from hil.nightly.night import Night
from hil.nightly.outcome import BROKEN, PASSED, USAGE
from hil.nightly.plan import WAIT, Plan, cut_short, folder_for, in_words, link_to, now
from hil.nightly.planned import Planned, collect
from hil.rig import Rig, RigBoard


def run(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """A night; returns the exit code, see `hil.nightly.outcome.CODES`. Raises hil.toml.FileError and OSError."""
    try:
        plan = _plan(rig, chosen, options)
        planned = _collect(plan)
        if options.if_cut_short and cut_short(plan, now()) is None:
            _say("no night was cut short")
            return PASSED
        folder = folder_for(plan, given=options.folder, resume=options.resume, new=options.new, now=now())
        journal = Journal(folder)
    except (NightTaken, ValueError) as error:  # a FileError is a ValueError, too
        print("\n".join(f"hil: {line}" for line in str(error).split("\n")), file=sys.stderr)
        return USAGE
    with contextlib.closing(journal):
        try:
            return _night(plan, folder.absolute(), journal, planned, options)
        except KeyboardInterrupt:
            print(f"hil: interrupted; the same command goes on with the night: {folder}", file=sys.stderr)
            raise
        except ValueError as error:
            print(f"hil: {error}", file=sys.stderr)
            return BROKEN


def _plan(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> Plan:
    """What the options ask for. Raises ValueError and hil.toml.FileError."""
    place.of_rig(rig, options.history)  # one that cannot be, or that shows a password, is told before all else
    begin = now()
    soak = _moment("--soak-until", options.soak_until, begin)
    deadline = _moment("--deadline", options.deadline, begin)
    if soak is not None and deadline is not None and soak > deadline:
        raise ValueError(
            f"found --soak-until {options.soak_until} and --deadline {options.deadline}, expected the soak to end first"
        )
    selection = [
        option for flag, value in (("-m", options.marked), ("-k", options.named)) if value for option in (flag, value)
    ]
    return Plan(
        rig=rig,
        boards=tuple(board.name for board in chosen),
        selection=(*selection, *(options.tests or [str(catalogue.folder())])),
        policy=policy.load(options.policy),
        firmware=tuple(options.firmware or ()),
        version=options.firmware_version or os.environ.get(VERSION),
        revision=options.firmware_revision or os.environ.get(REVISION),
        soak_until=soak,
        deadline=deadline,
        history=options.history,
        wait=WAIT if options.wait is None else options.wait,
        doctor=tuple(options.doctor or ()),
    )


def _moment(option: str, said: str | None, begin: float) -> float | None:
    """The next time that a clock shows what `option` says, in seconds since 1970. Raises ValueError."""
    try:
        return None if said is None else moment_after(said, begin)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


def _collect(plan: Plan) -> list[Planned]:
    found = collect([*of_rig(plan, plan.boards, plan.firmware), *plan.selection])
    return [one for one in found if one.board in plan.boards]


def _night(plan: Plan, folder: Path, journal: Journal, planned: list[Planned], options: argparse.Namespace) -> int:
    begun = next((record for record in journal.records if record["what"] == "night"), None)
    if begun is None:
        moments = {"soak_until": plan.soak_until, "deadline": plan.deadline}
        journal.write("night", identity=plan.identity(), pid=os.getpid(), **moments)
    else:
        journal.write("resumed", pid=os.getpid())
        if options.resume is None:
            plan = plan.with_moments(begun)
    link_to(folder)
    _say(f"{'begins' if begun is None else 'goes on'}: {in_words(plan)}; {folder}")
    night = Night(plan, folder, journal, planned, _say).go()
    screen = ending.leave(plan, night, notify=options.notify, markdown=options.markdown)
    journal.write("end", code=night.code)
    if options.keep is not None:
        for gone in keeping.prune(folder, options.keep):
            _say(f"deleted: {gone}")
    sys.stdout.write(f"\n{screen}")
    return night.code


def _say(line: str) -> None:
    print(f"hil nightly: {line}", flush=True)
