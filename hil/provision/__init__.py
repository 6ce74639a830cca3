"""Putting settings and credentials into a board without building its firmware again. One file per method.

A method (`Method`) knows a format and how to merge into it; `Recorded` makes it a `Provisioner`, which hides secrets
and tells the timeline; `Several` makes one of a contract's several places.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

#: A setting's type ('string', 'blob', 'u16', ...) and its text; None takes the setting away.
Setting = tuple[str, str] | None


class ProvisionError(Exception):
    """A board could not be provisioned. One line: what was found, what is expected, the cure."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a method did: sectors of flash written (4096 bytes each) and bytes, both 0 if all was there already.

    A method that talks to the firmware knows no sectors: 0, and the bytes are those that it sent.

    `capacity` is the size in bytes of the place that holds the settings, 0 where there is no such thing. `recovered`
    says that an earlier run had been cut off; `problems` are what the place held besides that was not sound, one line
    each.
    """

    sectors: int
    written: int
    capacity: int
    recovered: bool = False
    problems: tuple[str, ...] = field(default=())


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


class Method(Protocol):
    """One way to put settings into a board, bound to that board and to the place its firmware reads them from."""

    @property
    def name(self) -> str:
        """As a contract writes it: 'nvs'."""
        ...

    @property
    def in_flash(self) -> bool:
        """Whether it works on the flash while no firmware runs; otherwise the running firmware takes part."""
        ...

    def apply(self, values: Mapping[str, Setting]) -> Applied:
        """Make the place hold these settings, read them back, and leave everything else in it as it was.

        Only what differs is written. Raises ProvisionError, before anything is written wherever that can be known, and
        what the board's flasher or console raises.
        """
        ...


class Provisioner(Protocol):
    """What puts settings into a board."""

    @property
    def method(self) -> str:
        """The method's name, as a contract writes it: 'nvs'; several are joined by '+'."""
        ...

    @property
    def in_flash(self) -> bool:
        """Whether all of it happens while no firmware runs, so that flashing before it can share its session."""
        ...

    def provision(self, values: Mapping[str, Setting], *, secret: Collection[str] = ()) -> ProvisionResult:
        """Make the board hold these settings, read them back, and leave everything else on it as it was.

        Only what differs is written. `secret` names settings that must never be shown. Raises ProvisionError.
        """
        ...
