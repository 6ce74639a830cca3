"""What the reported failure looks like on the timeline. Data only: hil.reproduce matches it against a trial."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from hil.cases.pattern import EventPattern
from hil.toml import Strict

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Seen(EventPattern):
    """One step of the failure: events that come, in this order behind those of the step before.

    `count`: at least so many of them. `within`: seconds, for the last of these, from the step before (the first step:
    from the beginning of the trial); None: until the trial's limit.
    """

    count: Annotated[int, Field(ge=1)] = 1
    within: Seconds | None = None


class Never(EventPattern):
    """What does not come in the failure.

    `after`: from which step on, counted from 1; 0: from the beginning of the trial. `seconds`: for so long; `pauses`:
    for so many times the longest pause between two tries that the contract promises (`retry.most`). None: until the
    trial's limit.
    """

    after: Annotated[int, Field(ge=0)] = 0
    seconds: Seconds | None = None
    pauses: Seconds | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Never:
        if self.seconds is not None and self.pauses is not None:
            raise ValueError("found seconds and pauses, expected one of them")
        return self


class Signature(Strict):
    """The reported failure, told apart from other failures.

    `summary`: in words. `seen`: what comes, in order. `never`: what does not. `cause`: what `hil diagnose` must name as
    its first or second cause of the trial, a slug of docs/diagnosis.md. All that is said must hold.
    """

    summary: str = ""
    seen: list[Seen] = Field(default_factory=list)
    never: list[Never] = Field(default_factory=list)
    cause: str | None = None

    @model_validator(mode="after")
    def _tells_something(self) -> Signature:
        if not self.seen and not self.never and self.cause is None:
            raise ValueError("expected at least one of seen, never and cause: what tells this failure from others?")
        for number, pattern in enumerate(self.never):
            if pattern.after > len(self.seen):
                raise ValueError(
                    f"never.{number}.after: found {pattern.after}, but seen has {len(self.seen)} steps; count from 1"
                )
        if self.cause is not None:
            _check_cause(self.cause)
        return self

    def for_pause(self, longest: float) -> Signature:
        """This signature for a device that pauses for so many seconds at most: no `pauses` are left in it."""
        never = [
            one.model_copy(update={"seconds": one.pauses * longest, "pauses": None}) if one.pauses is not None else one
            for one in self.never
        ]
        return self.model_copy(update={"never": never})


def _check_cause(slug: str) -> None:
    import difflib

    from hil.diagnose import CAUSES

    known = [cause.slug for cause in CAUSES]
    if slug not in known:
        near = difflib.get_close_matches(slug, known, n=1)
        meant = f"did you mean {near[0]!r}?" if near else "hil diagnose --causes lists them"
        raise ValueError(f"cause: found {slug!r}, expected the name of a cause; {meant}")
