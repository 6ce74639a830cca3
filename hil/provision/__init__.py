"""Putting settings and credentials into a board without building its firmware again. One file per method."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

#: A setting's type ('string', 'blob', 'u16', ...) and its text; None takes the setting away.
Setting = tuple[str, str] | None


class ProvisionError(Exception):
    """A board could not be provisioned. One line: what was found, what is expected, the cure."""


@dataclass(frozen=True, slots=True)
class ProvisionResult:
    """What provisioning did: flash sectors and bytes written (0 if all was there already), and seconds it took.

    `capacity` is the size in bytes of the place that holds the settings. `subject` and `serial` are those of the device
    certificate among the settings, None if there is none. `recovered` says that an earlier run had been cut off.
    """

    method: str
    sectors: int
    written: int
    capacity: int
    seconds: float
    subject: str | None
    serial: str | None
    recovered: bool = False


class Provisioner(Protocol):
    """One way to put settings into a board, bound to that board and to the place its firmware reads them from."""

    @property
    def method(self) -> str:
        """The method's name, as a contract writes it: 'nvs'."""
        ...

    def provision(self, values: Mapping[str, Setting], *, secret: Collection[str] = ()) -> ProvisionResult:
        """Make the board hold these settings, read them back, and leave everything else on it as it was.

        Only what differs is written. `secret` names settings that must never be shown. Raises ProvisionError.
        """
        ...
