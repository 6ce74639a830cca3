"""`[trial]` of a case: what one trial does to the board, and when it is over. Data only: hil.reproduce plays it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hil.toml import Strict

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

What = Literal["power-on", "power-off", "power-cycle", "hard-reset", "soft-reset", "wait-online", "wait", "send"]


class Step(Strict):
    """One thing to do.

    `seconds`: how long to `wait`; the most for `wait-online`, the contract's online.within without. A board that does
    not come online is no error: the next step follows. `text`: the line to `send` on the console. `times`: how often.
    """

    do: What
    seconds: Seconds | None = None
    text: str | None = None
    times: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _fits(self) -> Step:
        if self.do == "wait" and self.seconds is None:
            raise ValueError("found do = 'wait' and no seconds, expected seconds: how long")
        if (self.do == "send") != (self.text is not None):
            raise ValueError("found text without do = 'send', or the other way round; expected them together")
        if self.seconds is not None and self.do not in ("wait", "wait-online"):
            raise ValueError(f"found seconds with do = {self.do!r}, expected it with wait and wait-online alone")
        return self


def _power_cycle() -> list[Step]:
    return [Step(do="power-cycle")]


class TrialTable(Strict):
    """One trial: from where it starts, what is done, and when it is over.

    `begin`: the board when the conditions come into force, 'off' (or, without a switch, at rest as it is), or 'online'.
    `steps`: what is done then, in this order. `limit`: seconds from the first step on after which the trial is over.
    `good`: what ends it before, if the failure has not been seen: 'online', once the board has been online for `settle`
    seconds; 'limit', nothing does. A trial also ends as soon as nothing can change whether it is the failure.
    """

    begin: Literal["off", "online"] = "off"
    steps: list[Step] = Field(default_factory=_power_cycle)
    limit: Seconds = 60.0
    good: Literal["online", "limit"] = "limit"
    settle: Seconds = 2.0
