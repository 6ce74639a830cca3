"""What one try of a case is, and what runs them.

Whoever needs trials asks a `Runner`; that a bench stands behind it is the runner's affair, so that statistics can be
tried on made-up trials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hil.cases import Case


class Outcome(StrEnum):
    """What became of a trial."""

    REPRODUCED = "reproduced"
    """It failed as was reported: the case's signature is on the timeline."""
    OTHER = "other"
    """It failed, but not as was reported."""
    PASSED = "passed"
    NOT_RUN = "not run"
    """The bench failed, or somebody stopped it: nothing is known of the board."""

    @property
    def counts(self) -> bool:
        """Whether the board was tried: what was not run is part of no rate."""
        return self is not Outcome.NOT_RUN


@dataclass(frozen=True, slots=True)
class Trial:
    """One try of a case on one board.

    `number`: from 1 on, over all boards of a run. `firmware`: its version or hash, as the case or the images say it.
    `seconds`: from the board's start to the failure, or to the end of the trial. `why`: one line. `after` and `before`:
    the trial's positions on the timeline in the file `timeline`; the board's events between them are the trial's.
    """

    number: int
    board: str
    firmware: str
    outcome: Outcome
    seconds: float
    why: str
    after: int = 0
    before: int = 0
    timeline: str = ""

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "outcome": str(self.outcome)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Trial:
        """What `facts` gave. Raises KeyError, ValueError and TypeError for what is none; unknown keys are left out."""
        known = {field.name: facts[field.name] for field in fields(cls) if field.name in facts}
        return cls(**{**known, "outcome": Outcome(facts["outcome"])})


class Runner(Protocol):
    """Tries a case."""

    def __call__(
        self, case: Case, *, times: int, stop: Callable[[Sequence[Trial]], bool] | None = None
    ) -> Iterator[Trial]:
        """Try `case` up to `times` times, several boards side by side; yields each trial as it ends.

        `stop` is asked after each with all trials so far, and no further one begins once it says True; those that run
        already are ended and yielded all the same. Numbers go on from one call to the next.
        """
        ...
