"""nightly.toml: which failures may be tried again, and how often. Without it none is.

[[retry]]
times = 2
scenarios = ["comes back from whatever happens by chance"]
verdicts = ["FAIL"]

[[retry]]
times = 1
verdicts = ["ERROR"]
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from hil.toml import Strict, read

Globs = Annotated[list[str], Field(min_length=1)]


class Retry(Strict):
    """What may be tried again, up to `times` times. Of each key one has to fit; what is not said fits all.

    `scenarios`: titles, `boards`: names, both with * and ?. `verdicts`: FAIL, ERROR. `causes`: what the diagnosis found
    most probable, as `hil diagnose --causes` names it, with * and ?.
    """

    times: Annotated[int, Field(ge=1, le=5)]
    scenarios: Globs = Field(default=["*"])
    boards: Globs = Field(default=["*"])
    verdicts: Annotated[list[Literal["FAIL", "ERROR"]], Field(min_length=1)] = Field(default=["FAIL", "ERROR"])
    causes: Globs | None = None

    @field_validator("causes")
    @classmethod
    def _known(cls, value: list[str] | None) -> list[str] | None:
        from hil.diagnose import CANNOT_TELL, CAUSES

        known = [CANNOT_TELL, *(cause.slug for cause in CAUSES)]
        for one in value or ():
            if not any(fnmatchcase(name, one) for name in known):
                raise ValueError(f"found {one!r}, which no cause is called; hil diagnose --causes lists them")
        return value

    def fits(self, scenario: str, board: str, verdict: str, cause: str | None) -> bool:
        """Whether this failure is meant. `cause` None: nobody could say."""
        return (
            verdict in self.verdicts
            and _any(scenario, self.scenarios)
            and _any(board, self.boards)
            and (self.causes is None or (cause is not None and _any(cause, self.causes)))
        )


class Policy(Strict):
    """The file. The first entry that fits a failure counts."""

    retry: list[Retry] = Field(default_factory=list)

    def times(self, scenario: str, board: str, verdict: str, cause: str | None) -> int:
        """How often a test that came to this may be tried again."""
        fitting = (one.times for one in self.retry if one.fits(scenario, board, verdict, cause))
        return next(fitting, 0)


def load(path: Path | None) -> Policy:
    """The policy in a file; the one that tries nothing again for None. Raises hil.toml.FileError."""
    return Policy() if path is None else read(path, Policy)


def _any(name: str, globs: Collection[str]) -> bool:
    return any(fnmatchcase(name, one) for one in globs)
