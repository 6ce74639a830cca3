"""Connections that end by themselves: at once, or some time after they have been accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.player import Ending, Link, Once, Player


@dataclass(frozen=True)
class Reset(Fault):
    """End the connection with RST. An occasion is a connection.

    `after`: seconds since its CONNACK, or since the fault began if that is later; None: at once, which is at the
    accept for a new connection and right now for one that is open.
    """

    name: ClassVar[str] = "reset"
    joins_open: ClassVar[bool] = True
    after: float | None = None

    def __post_init__(self) -> None:
        if self.after is not None:
            self.expect_at_least("after", 0, "s")

    def player(self, link: Link) -> Player:
        return _Resetting(link) if self.after is None else _Cutting(link, "reset", self.after)


@dataclass(frozen=True)
class Cut(Fault):
    """An unstable connection: each ends some time after it has been accepted. An occasion is a connection.

    `after`: seconds since its CONNACK, or since the fault began if that is later. `how`: 'fin' ends it as a broker
    that shuts down does, without DISCONNECT; 'reset' with RST, which may overtake the CONNACK if `after` is 0.
    """

    name: ClassVar[str] = "cut"
    joins_open: ClassVar[bool] = True
    how: Ending = "fin"
    after: float = 0.0

    def __post_init__(self) -> None:
        self.expect_one_of("how", Ending)
        self.expect_at_least("after", 0, "s")

    def player(self, link: Link) -> Player:
        return _Cutting(link, self.how, self.after)


class _Cutting(Once):
    def __init__(self, link: Link, how: Ending, after: float) -> None:
        super().__init__(link, after)
        self._how = how

    def once(self) -> None:
        if self.link.occasion():
            self.link.end(self._how)


class _Resetting(Player):
    def begin(self) -> None:
        if self.link.occasion():
            self.link.end("reset")
