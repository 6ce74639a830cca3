"""`hil reproduce --firmware A --firmware B`: a case on several firmwares, until it is told which fails more often."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hil.cases import Case
from hil.reproduce.comparing import Comparing, Comparison, Plan, Verdict, drive
from hil.reproduce.difference import Difference
from hil.reproduce.firmwares import named
from hil.reproduce.kept import difference_of
from hil.reproduce.summary import Summary
from hil.reproduce.trial import Runner, Trial


def with_each(case: Case, images: Sequence[Path]) -> dict[str, Case]:
    """The case with each of these images, or folders of images, by the names that tell them apart.

    Raises ValueError for one that is not there, or that is given twice.
    """
    missing = next((path for path in images if not path.exists()), None)
    if missing is not None:
        raise ValueError(f"--firmware: {missing}: no such file; build it first, or see whether the path is right")
    names = named(images)
    return {name: case.with_firmware(path, version=name) for name, path in zip(names, images, strict=True)}


def compare(
    cases: Mapping[str, Case], run: Runner, plan: Plan, told: Callable[[str, Trial], None]
) -> tuple[Comparison, bool]:
    """Try the cases in rounds; `told` hears each trial with its firmware's name as it ends.

    The result, and whether it came to its end: a Ctrl-C leaves what is known so far.
    """
    comparing = Comparing(list(cases), plan)
    trials = drive(comparing, cases, run)
    try:
        with contextlib.closing(trials):
            for name, trial in trials:
                told(name, trial)
    except KeyboardInterrupt:
        return comparing.result(), False
    return comparing.result(), True


@dataclass(frozen=True, slots=True)
class Beside:
    """What the trials of several firmwares show beside their rates: after how long each one fails, and where failing
    trials leave passing ones first, whichever firmware those ran.

    `summaries`: by the firmware's name. `compared`: what was laid beside what, in words.
    """

    summaries: Mapping[str, Summary]
    difference: Difference | None
    compared: str

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Beside:
        """Of trials whose firmware has the name by which it is compared."""
        names = dict.fromkeys(trial.firmware for trial in trials)
        summaries = {name: Summary([trial for trial in trials if trial.firmware == name]) for name in names}
        return cls(summaries, *difference_of(trials))

    def lines(self) -> list[str]:
        """For people."""
        found: list[str] = []
        for name, summary in self.summaries.items():
            if told := [*summary.time_lines(), *summary.remarks()]:
                found += [f"on {name}", *told]
        found += self.difference.lines() if self.difference is not None else []
        return [*found, f"compared: {self.compared}"]

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it; docs/reproduction.md has the keys."""
        return {
            "time_to_failure": {name: asdict(one.time_to_failure) for name, one in self.summaries.items()},
            "difference": None if self.difference is None else self.difference.facts(),
            "compared": self.compared,
            "trials": [trial.facts() for summary in self.summaries.values() for trial in summary.trials],
        }


def code_of(comparison: Comparison) -> int:
    """0 where each two are told, 1 where some are not told apart, 4 where nothing could be tried."""
    if not comparison.trials:
        return 4
    return 1 if any(told.verdict is Verdict.OPEN for told in comparison.told) else 0
