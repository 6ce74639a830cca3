"""What the serial loader has its chip do about a command: each an order that `hil.virtual.downloading` carries out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Send:
    """Put these bytes on TX."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Erase:
    """Erase these whole sectors."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Program:
    """Program these bytes."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SetBaud:
    """Change the UART's speed, once everything sent before has left."""

    baud: int


@dataclass(frozen=True, slots=True)
class Run:
    """Leave the loader: boot what is in flash."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The RTC watchdog was set to reset the chip soon, or stopped again."""

    armed: bool


Action = Send | Erase | Program | SetBaud | Run | Watch
