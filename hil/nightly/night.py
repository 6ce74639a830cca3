"""A night: doctor, firmware, flash, scenarios, once more what may be, soak. Each step does what is left of it alone.

What is done stands in the journal and in the parts' results; nothing is remembered elsewhere. So going on after a crash
is the same as going on after a step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hil import run_folder
from hil.nightly import fitness, part, stretches, test_flash
from hil.nightly.arguments import Arguments
from hil.nightly.clock import shown
from hil.nightly.gathering import gather
from hil.nightly.images import Images
from hil.nightly.journal import Journal
from hil.nightly.outcome import Outcome, that_count
from hil.nightly.plan import Plan, now
from hil.nightly.planned import Planned
from hil.nightly.progress import Progress, begun_in, progress
from hil.nightly.retrying import again
from hil.nightly.soaking import soak_minutes
from hil.report import runs
from hil.report.results import Result


class CannotGoOn(Exception):
    """A part of the night did nothing at all. One line: which, with what code, and where its log lies."""


class Night:
    """`planned`: all tests there are. `say` gets a line for each thing that is begun or done.

    `run`, `faults`, `images`: what runs a part, says whether a board is fit, and has the boards' firmware.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        journal: Journal,
        planned: Sequence[Planned],
        say: Callable[[str], None],
        *,
        run: Callable[..., part.Ended] = part.run,
        faults: Callable[..., list[str]] = fitness.faults,
        images: Callable[..., Images] = Images,
    ) -> None:
        self._run_part = run
        self._faults = faults
        self._plan = plan
        self._folder = folder
        self._journal = journal
        self._planned = [one for one in planned if plan.soak_until is not None or not one.soak]
        self._say = say
        self._images = images(plan, folder, journal, say)
        self._arguments = Arguments(plan, folder, self._images.given)
        self._left_out: dict[str, str] = {}
        self._without_firmware: dict[Planned, str] = {}
        self._no_soak: str | None = None
        self._trouble: str | None = None

    def go(self) -> Outcome:
        """Do all that is left, until the deadline. Raises OSError, ValueError for a damaged file, KeyboardInterrupt."""
        steps = (self._see_the_doctor, self._firmware, self._flash, self._scenarios, self._try_again, self._soak)
        try:
            for step in steps:
                if self._late:
                    break
                step()
        except CannotGoOn as error:
            self._trouble = str(error)
        return self._outcome()

    # -- steps -----------------------------------------------------------------------------------------------------

    def _see_the_doctor(self) -> None:
        """Again each time that the night is gone on with: a board may have been mended, or lost."""
        for board in self._plan.boards:
            if self._late:
                return
            found = self._faults(self._plan.rig.path, board, self._plan.doctor, until=self._plan.deadline)
            self._journal.write("doctor", board=board, faults=found)
            if found:
                self._left_out[board] = f"doctor: {found[0]}" + (f" (and {len(found) - 1} more)" if found[1:] else "")
                self._say(f"doctor: {board} is left out: {'; '.join(found)}")
        self._say(f"doctor: {len(self._boards)} of {len(self._plan.boards)} boards are fit")

    def _firmware(self) -> None:
        """Before the night is gone on with, too: what it tests has to be there still."""
        for board, why in self._images.make(self._boards).items():
            self._without_firmware[self._flash_of(board)] = why
            self._left_out[board] = f"firmware: {why}"
            self._say(f"firmware: {board} is left out: {why}")

    def _flash(self) -> None:
        wanted = [self._flash_of(board) for board in self._boards]
        left = [one for one in wanted if one.board not in self._flashed()]
        if left:
            self._part("flash", left)
        flashed = self._flashed()
        for board in self._boards:
            if board not in flashed and not self._late:
                self._left_out[board] = "flash: it could not be flashed; " + self._why_not(board)
                self._say(f"flash: {board} is left out: {self._why_not(board)}")

    def _scenarios(self) -> None:
        self._until_done("scenarios", [one for one in self._planned if not one.soak])

    def _try_again(self) -> None:
        wanted = [one for one in self._planned if not one.soak]
        while not self._late and (chosen := self._to_try_again(wanted)):
            self._part("again", chosen)

    def _to_try_again(self, wanted: Sequence[Planned]) -> list[Planned]:
        if not self._plan.policy.retry:
            return []
        self._gather()
        run = runs.read(self._folder)  # with the timelines: the policy may ask what the diagnosis says
        fit = [one for one in wanted if one.board in self._boards]
        known = self._progress(run.results)
        return again(self._plan.policy, fit, run.results, partial(_cause, run), known.died.keys() | known.killed.keys())

    def _soak(self) -> None:
        """Until its hour: what a kill has cut short goes on, and where the bench failed the policy may try again."""
        until = self._plan.soak_until
        wanted = [one for one in self._planned if one.soak]
        while until is not None and not self._late:
            left = self._progress().left(wanted, self._boards) or self._to_try_again(wanted)
            if not left:
                return
            minutes = soak_minutes(left, self._plan.rig, self._gather(), until - now())
            if minutes is None:
                self._no_soak = f"no time was left for it before {shown(until)}"
                return
            self._part("soak", left, "--soak", f"{minutes:.4f}")

    # -- parts -----------------------------------------------------------------------------------------------------

    def _until_done(self, kind: str, wanted: Sequence[Planned]) -> None:
        """Run what is left, and again what is left after a run that died: each death counts for a test, so it ends."""
        while not self._late and (left := self._progress().left(wanted, self._boards)):
            self._part(kind, left)

    def _part(self, kind: str, tests: Sequence[Planned], *options: str) -> None:
        """Run these tests. Raises CannotGoOn where that changes nothing."""
        number = len(run_folder.parts_of(self._folder)) + 1
        folder = self._folder / run_folder.PARTS / f"{number:02}-{kind}"
        boards = list(dict.fromkeys(one.board for one in tests))
        self._say(f"{kind}: {_many(len(tests), 'test')} on {', '.join(boards)}; log: {folder / part.LOG}")
        self._journal.write("begun", part=folder.name, tests=len(tests))
        arguments = [*self._arguments.of_part(folder, boards), *options, *(one.argument for one in tests)]
        try:
            ended = self._run_part(folder, arguments, until=self._plan.deadline)
        except BaseException:
            self._journal.write("ended", part=folder.name, how="terminated", code=None)
            raise
        self._journal.write("ended", part=folder.name, how=ended.how, code=ended.code)
        came_to = self._came_to(folder.name)
        self._say(f"{kind}: {came_to or 'no test came to its end'}")
        if not came_to and ended.how in ("done", "died") and not begun_in(self._folder)[folder.name]:
            raise CannotGoOn(f"pytest ended with {ended.code} and had begun no test; see {folder / part.LOG}")

    def _came_to(self, name: str) -> str:
        counted: dict[str, int] = {}
        for result in self._gather():
            if (result.worker or "").split(".")[0] == name and result.ended_well:
                verdict = result.verdict
                counted[verdict] = counted.get(verdict, 0) + 1
        return ", ".join(f"{number} {verdict}" for verdict, number in counted.items())

    # -- what is known ---------------------------------------------------------------------------------------------

    @property
    def _late(self) -> bool:
        return self._plan.deadline is not None and now() >= self._plan.deadline

    @property
    def _boards(self) -> list[str]:
        return [board for board in self._plan.boards if board not in self._left_out]

    def _gather(self) -> list[Result]:
        return gather(self._folder)

    def _progress(self, results: Sequence[Result] | None = None) -> Progress:
        found = self._gather() if results is None else results
        return progress(found, begun_in(self._folder), self._journal.records)

    def _flash_of(self, board: str) -> Planned:
        argument = f"{test_flash.__file__}::{test_flash.test_takes_its_firmware.__name__}[{board}]"
        return Planned(argument, argument, board, test_flash.TITLE)

    def _flashed(self) -> set[str]:
        """The boards that have what they are to have: noted when it was there, with the night's firmware."""
        return {r.board for r in self._gather() if r.scenario == test_flash.TITLE and r.verdict == "pass"}

    def _why_not(self, board: str) -> str:
        told = [r for r in self._gather() if r.scenario == test_flash.TITLE and r.board == board]
        failures = [phase.failure for r in told for phase in r.phases if phase.failure]
        return failures[-1].strip().splitlines()[-1] if failures else "see the log"

    def _outcome(self) -> Outcome:
        known = self._progress()
        results = gather(self._folder, known.passed_over(self._planned) | self._without_firmware)
        began = next(record["at"] for record in self._journal.records if record["what"] == "night")
        done = {result.test for result in results if result.ended_well}
        done |= {one.test for one in self._planned if one.soak and self._soaked_enough(one, done)}
        not_run = [(one, self._why(one)) for one in self._planned if one.test not in done]
        facts: dict[str, Any] = {"left_out": self._left_out, "not_run": not_run, "trouble": self._trouble}
        facts |= {"firmware": self._images.names(), "notes": self._images.notes}
        return Outcome(self._folder, self._plan.boards, began, now(), that_count(results), **facts)

    def _soaked_enough(self, one: Planned, done: Collection[str]) -> bool:
        """Whether a soak that was cut short has lasted until its hour, if not all the time."""
        time_is_up = self._late or self._no_soak is not None
        return time_is_up and any(stretches.of_test(one.test, test) for test in done)

    def _why(self, one: Planned) -> str:
        if one.board in self._left_out:
            return self._left_out[one.board]
        if self._trouble is not None:
            return "hil could not go on"
        if self._late and self._plan.deadline is not None:
            return f"the deadline came, {shown(self._plan.deadline)}"
        return self._no_soak or "it was interrupted"


def _cause(run: runs.Run, result: Result) -> str | None:
    """What the diagnosis found most probable."""
    found = run.diagnoses(result)
    return found[0].cause if found else None


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"
