"""What every kind of switch has in common, so that a kind's own file holds nothing but its device.

A kind declares a table of the rig file (`OutletPower`: fields with units) which makes an `Outlet`: what can be set and
read. `OutletSwitch` makes a board's switch of that: the order of events, reading back, whose power it is, and no secret
in any error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field

from hil.power import PowerError, check, record
from hil.secret import MissingSecret, Secret
from hil.timeline import SHORTEST_SECRET, Timeline
from hil.toml import Strict

Seconds = Annotated[float, Field(gt=0, le=3600)]
Port = Annotated[int, Field(ge=1, le=65535)]
#: A path of the rig file, taken from the folder in which that lies.
Resolve = Callable[[str], Path]


class Outlet(Protocol):
    """One outlet, relay or line of a device. Errors name the device and the cure; whose power it is comes on top."""

    def set(self, on: bool) -> None:
        """Switch. Raises PowerError."""
        ...

    def state(self) -> bool | None:
        """What the device says of it now; None if it cannot tell. Raises PowerError."""
        ...

    def close(self) -> None:
        """Let go of the device. The supply stays as it is."""
        ...


class OutletPower(Strict):
    """A table `power` of the rig file."""

    @property
    def shortest(self) -> float | None:
        """Seconds of the shortest reliable cut; None: not known. Each kind that knows says where from."""
        return None

    @property
    def patience(self) -> float:
        """Seconds for which a state other than the wanted one may still be read back after switching."""
        return 0.0

    def secrets(self) -> list[Secret]:
        """Every secret that the table names."""
        return [value for _, value in self if isinstance(value, Secret)]

    @property
    def identity(self) -> str:
        """What this outlet is, in the same words in every rig that names it. Others see it: no secret is in it."""
        raise NotImplementedError

    def outlet(self, resolve: Resolve) -> Outlet:
        """The outlet, nothing opened yet. Raises MissingSecret."""
        raise NotImplementedError


class OutletSwitch:
    """A board's switch, made of one outlet. `secrets` are blanked in every error.

    `mates`: other boards on the same outlet. What is recorded for the board is recorded for each of them.
    """

    can_cut = True

    def __init__(
        self,
        kind: str,
        outlet: Outlet,
        *,
        board: str,
        mates: Sequence[str] = (),
        timeline: Timeline | None = None,
        shortest: float | None = None,
        patience: float = 0.0,
        secrets: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self.shortest = shortest
        self._outlet = outlet
        self._board = board
        self._mates = mates
        self._timeline = timeline
        self._patience = patience
        self._secrets = sorted(secrets, key=len, reverse=True)

    def on(self) -> None:
        self._record("on")
        self._switch(True)

    def off(self) -> None:
        self._switch(False)
        self._record("off")

    def is_on(self) -> bool | None:
        with self._told():
            return self._outlet.state()

    def close(self) -> None:
        self._outlet.close()

    def _record(self, state: str) -> None:
        for board in (self._board, *self._mates):
            record(self._timeline, state, board, self.kind)

    def _switch(self, on: bool) -> None:
        with self._told():
            self._outlet.set(on)
        check(self, self._board, on, patience=self._patience)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except PowerError as error:
            text = " ".join(f"power of {self._board}: {error}".split())
            for secret in self._secrets:
                text = text.replace(secret, "[redacted]")
            raise PowerError(text if self._timeline is None else self._timeline.redacted(text)) from None


def switch_of(
    kind: str,
    power: OutletPower,
    resolve: Resolve,
    *,
    board: str,
    mates: Sequence[str] = (),
    timeline: Timeline | None = None,
) -> OutletSwitch:
    """The switch of a board as its table `power` says. Raises PowerError for a secret that is not there.

    `mates`: the other boards on the same outlet.
    """
    try:
        secrets = [secret.value("power") for secret in power.secrets()]
        outlet = power.outlet(resolve)
    except MissingSecret as error:
        raise PowerError(f"power of {board}: {error}") from None
    for secret in secrets:
        if timeline is not None and len(secret) >= SHORTEST_SECRET:
            timeline.redact(secret)
    return OutletSwitch(
        kind,
        outlet,
        board=board,
        mates=mates,
        timeline=timeline,
        shortest=power.shortest,
        patience=power.patience,
        secrets=secrets,
    )
