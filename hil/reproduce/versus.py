"""`hil reproduce --firmware A --firmware B`: a case on several firmwares, until it is told which fails more often."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hil.cases import Case
from hil.reproduce.comparing import Comparing, Comparison, Plan, Verdict, drive
from hil.reproduce.firmwares import named
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


def code_of(comparison: Comparison) -> int:
    """0 where each two are told, 1 where some are not told apart, 4 where nothing could be tried."""
    if not comparison.trials:
        return 4
    return 1 if any(told.verdict is Verdict.OPEN for told in comparison.told) else 0
