"""The conditions of a case: each named, independent, removable. Data only; applying.py puts them in force.

What a kind can say is what the bench can do: faults (docs/faults.md), policies (docs/policies.md), flaws of
certificates (docs/certificates.md), power patterns. `lasting` ones are put into the board once for all trials, the
others come into force anew in each.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Discriminator, Field, field_validator, model_validator

from hil.cases import making
from hil.cases.pattern import EventPattern
from hil.credentials import Flaw
from hil.gateway import policies
from hil.gateway.policies import TopicsTable
from hil.schedule import ALWAYS, Schedule
from hil.timeline import Match
from hil.toml import Strict

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Damage = Literal[
    "no-certificate", "no-key", "damaged-certificate", "damaged-intermediate", "damaged-key", "damaged-anchors"
]
"""What is wrong with the PEM texts in a device, where no certificate is wrong: see damage.py."""


class When(Strict):
    """On which occasions a condition applies: `hil.schedule.Schedule`, with `after` as an event pattern."""

    count: Annotated[int, Field(ge=1)] | None = None
    skip: Annotated[int, Field(ge=0)] = 0
    after: EventPattern | None = None
    seconds: Seconds | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0

    def schedule(self, board: str, online: Match | None = None, *, draw: int = 0) -> Schedule:
        """The schedule for one board. `draw` is added to the seed, so that each trial draws anew."""
        return Schedule(
            count=self.count,
            skip=self.skip,
            after=self.after.match(board, online) if self.after is not None else None,
            seconds=self.seconds,
            probability=self.probability,
            seed=self.seed + draw,
        )


def schedule(when: When | None, board: str, online: Match | None = None, *, draw: int = 0) -> Schedule:
    """The schedule that a condition asks for: always, where it says nothing."""
    return ALWAYS if when is None else when.schedule(board, online, draw=draw)


class _Named(Strict):
    """What all conditions have.

    `name`: of this condition, letters, digits and '-'. `note`: for people. `shown_by`: where it was read from, such as
    'evidence/device.log:17'. `sure`: 0 to 1, how sure that is.
    """

    lasting: ClassVar[bool] = False

    name: str
    note: str = ""
    shown_by: list[str] = Field(default_factory=list)
    sure: Annotated[float, Field(ge=0, le=1)] | None = None

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
            raise ValueError(f"found {value!r}, expected small letters, digits and '-', at most 63")
        return value


class FaultCondition(_Named):
    """A fault of the gateway (docs/faults.md), by its name, with its parameters."""

    kind: Literal["gateway-fault"]
    fault: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    when: When | None = None

    @model_validator(mode="after")
    def _can_be(self) -> FaultCondition:
        making.fault(self.fault, self.parameters)
        return self


class TimeCondition(_Named):
    """How the time server answers: a mode of docs/faults.md by its name, with its parameters."""

    kind: Literal["time-server"]
    mode: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    when: When | None = None

    @model_validator(mode="after")
    def _can_be(self) -> TimeCondition:
        making.mode(self.mode, self.parameters)
        return self


class PolicyCondition(_Named):
    """Whose broker's rules the gateway plays: a name of docs/policies.md, or a file in the case.

    `topics`: those that exist; without them those of the file, else those of the rig.
    """

    kind: Literal["broker-policy"]
    policy: str
    topics: TopicsTable | None = None

    @model_validator(mode="after")
    def _topics_can_be(self) -> PolicyCondition:
        if self.topics is not None:
            try:
                self.topics.topics()
            except ValueError as error:
                raise ValueError(f"topics.{error}") from None
        return self


class DeviceCertificateCondition(_Named):
    """The device's credentials have a flaw: one of docs/certificates.md, or their PEM texts are damaged or missing."""

    lasting: ClassVar[bool] = True

    kind: Literal["device-certificate"]
    flaw: Flaw | Damage

    @field_validator("flaw", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        flaws = [flaw.value for flaw in Flaw]
        if value in flaws:
            return Flaw(value)
        if value not in get_args(Damage):
            raise ValueError(f"found {value!r}, expected one of: {', '.join([*get_args(Damage), *flaws])}")
        return value


class ServerCertificateCondition(_Named):
    """The broker's certificate has a flaw: one of docs/certificates.md."""

    kind: Literal["server-certificate"]
    flaw: Flaw

    @field_validator("flaw", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        flaws = [flaw.value for flaw in Flaw]
        if value not in flaws:
            raise ValueError(f"found {value!r}, expected one of: {', '.join(flaws)}")
        return Flaw(value)


class ClientRefusedCondition(_Named):
    """The broker does not take the device's certificate, which is good: revoked, or of an authority it does not know.

    What is wrong is at the broker: a certificate that was taken back, an authority that nobody registered there.
    """

    kind: Literal["client-refused"]
    why: Literal["revoked", "unknown-authority"]


class SettingsCondition(_Named):
    """Settings in the device: texts in place of what the contract says, by the contract's keys."""

    lasting: ClassVar[bool] = True

    kind: Literal["settings"]
    values: Annotated[dict[str, str], Field(min_length=1)]


class ContractCondition(_Named):
    """What is promised in place of what the contract says, by keys with dots: `{ "mqtt.keep_alive" = 60 }`.

    The device is not told: a settings condition does that.
    """

    lasting: ClassVar[bool] = True

    kind: Literal["contract"]
    values: Annotated[dict[str, str | int | float | bool], Field(min_length=1)]


class WrongNameCondition(_Named):
    """What the device was given as the broker's host is wrong: a name that nobody resolves, or another address.

    Written into the device, in each setting of the contract that holds {gateway_host}. `host`: by default a name below
    .invalid, which no resolver knows (RFC 6761, section 6.4).
    """

    lasting: ClassVar[bool] = True

    kind: Literal["wrong-name"]
    host: Annotated[str, Field(min_length=1, max_length=253)] = "broker.invalid"


class SecondClientCondition(_Named):
    """A second client takes the board's id at the broker: `times` times, `pause` seconds after it was thrown out.

    `at`: the event that brings it; without it comes at once.
    """

    kind: Literal["second-client"]
    at: EventPattern | None = None
    times: Annotated[int, Field(ge=1)] = 3
    pause: NotNegative = 1.0


class _Away(_Named):
    """Something is away for `off` seconds, from an event on, or `delay` seconds after it.

    Without `at` from the moment on at which the condition comes into force.
    """

    at: EventPattern | None = None
    off: Seconds = 5.0
    delay: NotNegative = 0.0
    when: When | None = None


class WifiLossCondition(_Away):
    """The board's access point is away."""

    kind: Literal["wifi-loss"]


class DnsOutageCondition(_Away):
    """Names do not resolve. The device is given the broker's host as a name, for all trials.

    A virtual board's name server alone can be made to fail.
    """

    kind: Literal["dns-outage"]


class PowerCutCondition(_Named):
    """The power is cut at an event, or `delay` seconds after it, and is back `off` seconds later."""

    kind: Literal["power-cut"]
    at: EventPattern
    off: NotNegative = 0.5
    delay: NotNegative = 0.0
    when: When | None = None


class BrownOutCondition(_Named):
    """A train of short cuts, beginning at once: `cuts` of `off` seconds, with `on` seconds of supply between them."""

    kind: Literal["brown-out"]
    cuts: Annotated[int, Field(ge=1)] = 5
    off: NotNegative = 0.05
    on: NotNegative = 0.3


class RandomCutsCondition(_Named):
    """Cuts at random for `seconds`: every `mean` seconds, for between the two of `off` seconds."""

    kind: Literal["random-cuts"]
    seconds: Seconds
    mean: Seconds = 30.0
    off: Annotated[list[NotNegative], Field(min_length=2, max_length=2)] = Field(default_factory=lambda: [0.05, 2.0])
    least: NotNegative = 0.0
    seed: int = 0

    @model_validator(mode="after")
    def _can_be(self) -> RandomCutsCondition:
        if not self.mean > self.least or self.off[0] > self.off[1]:
            raise ValueError("expected a mean above the least, and off as [shortest, longest]")
        return self


class ResetCondition(_Named):
    """The board is started once more when this condition's turn comes: what a clock of 1970 takes, on an ESP.

    'power': its supply is cut and restored; 'hard': by EN; both lose the clock. 'soft': by its own command.
    """

    kind: Literal["reset"]
    how: Literal["power", "hard", "soft"] = "power"


class WaitCondition(_Named):
    """Nothing for so many seconds, before the conditions behind it come into force."""

    kind: Literal["wait"]
    seconds: Seconds


Condition = Annotated[
    FaultCondition
    | TimeCondition
    | PolicyCondition
    | DeviceCertificateCondition
    | ServerCertificateCondition
    | ClientRefusedCondition
    | SettingsCondition
    | ContractCondition
    | WrongNameCondition
    | SecondClientCondition
    | WifiLossCondition
    | DnsOutageCondition
    | PowerCutCondition
    | BrownOutCondition
    | RandomCutsCondition
    | ResetCondition
    | WaitCondition,
    Discriminator("kind"),
]


def policy_path(folder: Path, policy: str) -> Path:
    """The file of a policy that a condition of the case in `folder` names. Raises ValueError for an unknown name."""
    path = policies.path_of(policy)
    return path if path.is_absolute() else folder / path


KINDS: tuple[type[_Named], ...] = get_args(get_args(Condition)[0])
"""All kinds, for the documents."""
