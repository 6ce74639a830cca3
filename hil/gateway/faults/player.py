"""A fault at work on one connection: the player, and the link through which it acts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from hil.wire.mqtt import Connect, Packet, Version, encode

if TYPE_CHECKING:
    from hil.gateway.faults.armory import ArmedFault
    from hil.gateway.faults.players import Players
    from hil.gateway.line import Stage

Ending = Literal["fin", "reset"]


class Frame(NamedTuple):
    """One packet and its bytes. `packet` None: bytes that are no packet."""

    packet: Packet | None
    raw: bytes


class Subject(Protocol):
    """The connection that is played on. `accepted`, `accepted_at`: loop times of its TCP accept and of CONNACK 0."""

    @property
    def board(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def version(self) -> Version: ...
    @property
    def accepted(self) -> float: ...
    @property
    def accepted_at(self) -> float | None: ...
    @property
    def over(self) -> bool: ...
    def deliver(self, frames: Sequence[Frame]) -> None: ...
    def end_by_fault(self, name: str, how: Ending, last: Packet | None) -> None: ...
    def forget_session(self, packet: Connect) -> None: ...
    def add_stage(self, direction: Literal["up", "down"], stage: Stage) -> None: ...
    def remove_stage(self, stage: Stage) -> None: ...


class Link:
    """What a player may do on its connection. In the loop's thread alone."""

    def __init__(self, handle: ArmedFault, subject: Subject, players: Players) -> None:
        self._handle = handle
        self._subject = subject
        self._players = players
        self._timers: set[asyncio.TimerHandle] = set()
        self._stages: list[Stage] = []
        self.player: Player | None = None

    @property
    def connection(self) -> int:
        """Its number."""
        return self._subject.number

    @property
    def version(self) -> Version:
        """The protocol version; 3.1.1 as long as no CONNECT has come."""
        return self._subject.version

    @property
    def was_open(self) -> bool:
        """Whether the connection was there before the fault began."""
        return self._handle.started is not None and self._subject.accepted < self._handle.started

    @property
    def accepted(self) -> bool:
        """Whether CONNACK 0 has gone to the device."""
        return self._subject.accepted_at is not None

    def occasion(self, **facts: Any) -> bool:
        """Ask the schedule whether the fault applies now; if so it is told on the timeline, with `facts`."""
        return self._handle.occasion(self._subject.board, self._subject.number, **facts)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call` in so many seconds, unless the connection has ended or the fault was cleared by then."""

        def calling() -> None:
            self._timers.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_later(seconds, calling)
        self._timers.add(timer)

    def frame(self, packet: Packet) -> Frame:
        """A packet with its bytes."""
        return Frame(packet, encode(packet, self.version))

    def send(self, *frames: Frame) -> None:
        """Send frames to the device; the faults that were armed after this one rule on them."""
        if not self._subject.over:
            self._subject.deliver(self._players.down_after(self, frames))

    def end(self, how: Ending, last: Packet | None = None) -> None:
        """End the connection, once what was on its way is sent. `last`: a packet of farewell."""
        self._subject.end_by_fault(self._handle.fault.name, how, last)

    def forget_session(self, packet: Connect) -> None:
        """Have the broker forget the session of this client before it gets the CONNECT, which is `packet`."""
        self._subject.forget_session(packet)

    def stage(self, direction: Literal["up", "down"], stage: Stage) -> None:
        """Put a stage into the bytes' way, below TLS, until the fault is cleared or the connection is gone."""
        self._stages.append(stage)
        self._subject.add_stage(direction, stage)

    # -- for the players' list -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The fault is in force: let its player begin."""
        if self.player is not None and not self._subject.over:
            self.player.begin()

    def stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def release(self) -> None:
        """The fault is cleared: undo what can be undone, and leave the connection."""
        self.stop_timers()
        if self.player is not None and not self._subject.over:
            self.player.clear()
        for stage in self._stages:
            self._subject.remove_stage(stage)
        self._players.leave(self)

    def leave(self) -> None:
        """The connection is gone."""
        self.stop_timers()
        self._handle.links.discard(self)


class Player:
    """One fault on one connection. Each method does nothing here; override what the fault needs.

    The rulings of `up` and `down`: None lets the frame pass; a list takes its place, and an empty one withholds it.
    A player that withholds to send later keeps the frame and calls `link.send`.
    """

    def __init__(self, link: Link) -> None:
        self.link = link

    def begin(self) -> None:
        """The fault is in force: at the accept, at the arming on an open connection, or when its schedule starts."""

    def up(self, frame: Frame) -> list[Frame] | None:
        """A packet from the device, which is on the timeline already, on its way to the broker."""
        return None

    def down(self, frame: Frame) -> list[Frame] | None:
        """A packet for the device, which is told on the timeline when it goes."""
        return None

    def accepted(self) -> None:
        """CONNACK 0 has just gone to the device."""

    def clear(self) -> None:
        """The fault is cleared: send what was kept."""


class Once(Player):
    """A player that acts once on each connection: when the device has its CONNACK and the fault has begun."""

    def __init__(self, link: Link, after: float = 0.0) -> None:
        super().__init__(link)
        self._after = after  # seconds from then on
        self._begun = False

    def once(self) -> None:
        """Act. Ask for the occasion first."""

    def begin(self) -> None:
        self._begun = True
        if self.link.accepted:
            self._soon()

    def accepted(self) -> None:
        if self._begun:
            self._soon()

    def _soon(self) -> None:
        if self._after:
            self.link.later(self._after, self.once)
        else:
            self.once()
