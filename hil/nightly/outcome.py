"""What a night came to, and the exit code that says so. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hil.nightly.planned import Planned
from hil.report.results import Result
from hil.report.verdicts import FLAKY, RETRIED

PASSED, FAILED, USAGE, UNFIT, NOT_RUN, FLAKY_ONLY, BROKEN = 0, 1, 2, 3, 4, 5, 6

CODES: Final[Mapping[int, str]] = {
    PASSED: "all that applies passed",
    FAILED: "something failed",
    USAGE: "the command line, the rig or a file is wrong",
    UNFIT: "nothing failed, but a board was left out",
    NOT_RUN: "nothing failed, but something was not run",
    FLAKY_ONLY: "nothing failed for good, but something is flaky",
    BROKEN: "hil itself could not go on",
}
"""Exit codes, as docs/lab-runner.md has them. Where several are true the first of 6, 1, 3, 4, 5 counts."""


@dataclass(frozen=True)
class Outcome:
    """`results`: those that count, one for each test. `left_out`: boards, and why. `not_run`: tests, and why.

    `trouble`: why hil itself could not go on; None if it could. `firmware`: what it is called that was tested, and
    `notes`: what is to be said of it. Times in seconds since 1970.
    """

    folder: Path
    boards: Sequence[str]
    began: float
    ended: float
    results: Sequence[Result] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    not_run: Sequence[tuple[Planned, str]] = ()
    trouble: str | None = None
    firmware: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def verdicts(self) -> Counter[str]:
        """How many tests came to what."""
        return Counter(result.verdict for result in self.results)

    @property
    def code(self) -> int:
        """See `CODES`."""
        counted = self.verdicts
        if self.trouble is not None:
            return BROKEN
        if counted["FAIL"] or counted["ERROR"]:
            return FAILED
        if self.left_out:
            return UNFIT
        if self.not_run:
            return NOT_RUN
        return FLAKY_ONLY if counted[FLAKY] else PASSED


def that_count(results: Sequence[Result]) -> list[Result]:
    """One result for each test that came to its end: of several times the one that counts."""
    return [result for result in results if result.attempt != RETRIED and result.ended_well]
