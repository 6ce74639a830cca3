"""The armed faults: which are in force, on which board, and when they are over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from operator import attrgetter
from types import TracebackType
from typing import Any, Protocol
from weakref import WeakSet

from hil.gateway.faults.fault import Admission, Fault
from hil.gateway.faults.player import Link
from hil.gateway.tls import TlsSettings
from hil.schedule import Clockwork, Schedule
from hil.timeline import Event, Timeline


class Held(Protocol):
    """A connection that a fault keeps out, and keeps open; or may keep so, later in its handshake."""

    @property
    def number(self) -> int: ...
    def let_go(self) -> None: ...


class ArmedFault:
    """A fault that is in force, on one board or (board None) on all. Also a context manager that clears it.

    `applied`: how many occasions met it. `cleared`: it takes no more. What it has done to a connection lasts as long
    as the connection, unless it is cleared by hand or by its time.
    """

    def __init__(self, fault: Fault, board: str | None, when: Schedule, armory: Armory) -> None:
        self.fault = fault
        self.board = board
        self.cleared = False
        self.links: set[Link] = set()
        self.held: WeakSet[Held] = WeakSet()
        self._armory = armory
        self._loop = asyncio.get_running_loop()
        self._clockwork = Clockwork(when, time.monotonic())
        self._timer: asyncio.TimerHandle | None = None
        self._deaf: Callable[[], None] | None = None
        self._tell("armed", board, schedule=when.facts())
        if when.after is None:
            self._limit()
        else:
            self._deaf = armory.timeline.listen(self._hear)

    def clear(self) -> None:
        """End the fault and undo what can be undone: a black hole lets through again, what was late goes at once.

        Clearing twice does nothing. Call it from any thread but the loop's.
        """
        self._armory.remove(self)

    def __enter__(self) -> ArmedFault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    @property
    def applied(self) -> int:
        """How many occasions met it."""
        return self._clockwork.met

    # -- in the loop's thread --------------------------------------------------------------------------------------

    def concerns(self, board: str) -> bool:
        """Whether this board's connections may meet it."""
        return not self.cleared and self.board in (None, board)

    @property
    def started(self) -> float | None:
        """When its schedule started, by time.monotonic(); None: not yet."""
        return self._clockwork.started

    def occasion(self, board: str, connection: int, **facts: Any) -> bool:
        """Whether it applies now, to this connection. If so the timeline says it; after the last it clears itself."""
        if self.cleared or not self._clockwork.due(time.monotonic()):
            return False
        self._tell("applied", board, connection=connection, **facts)
        if self._clockwork.spent:
            self._armory.end(self, "count reached")
        return True

    def end(self, why: str) -> None:
        """Take no more occasions."""
        if self.cleared:
            return
        self.cleared = True
        if self._deaf is not None:
            self._deaf()
        self._tell("cleared", self.board, why=why, times=self.applied)

    def release(self) -> None:
        """Undo what can be undone."""
        if self._timer is not None:
            self._timer.cancel()
        for link in list(self.links):
            link.release()
        for connection in list(self.held):
            connection.let_go()
        self.held.clear()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        """In any thread: an event of the timeline."""
        if self._clockwork.note_event(event):
            self._tell("begun", self.board, event=event.sequence)
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self.cleared:
            return
        if self._deaf is not None:
            self._deaf()
        self._limit()
        for link in sorted(self.links, key=attrgetter("connection")):
            link.begin()

    def _limit(self) -> None:
        ends = self._clockwork.ends()
        if ends is not None:
            self._timer = self._loop.call_later(max(0.0, ends - time.monotonic()), self._time_is_up)

    def _time_is_up(self) -> None:
        self._armory.end(self, "time is up")
        self.release()

    def _tell(self, state: str, board: str | None, **more: Any) -> None:
        data = {"name": self.fault.name, "state": state, **self.fault.parameters(), **more}
        self._armory.timeline.record("gateway", "fault", board, **data)


class Armory:
    """The armed faults, oldest first. All in the loop's thread."""

    def __init__(self, timeline: Timeline, remove: Callable[[ArmedFault], None]) -> None:
        self.timeline = timeline
        self.remove = remove
        self.armed: list[ArmedFault] = []
        self._lasting: list[ArmedFault] = []  # armed no more, but still felt on some connection

    def arm(self, fault: Fault, board: str | None, when: Schedule) -> ArmedFault:
        self._lasting = [one for one in self._lasting if one.links or one.held]
        handle = ArmedFault(fault, board, when, self)
        self.armed.append(handle)
        return handle

    def end(self, handle: ArmedFault, why: str) -> None:
        """The fault takes no more occasions; what it has done lasts."""
        if handle in self.armed:
            self.armed.remove(handle)
            self._lasting.append(handle)
        handle.end(why)

    def clear(self, handle: ArmedFault, why: str = "cleared") -> None:
        """The fault is over, and what it has done is undone."""
        self.end(handle, why)
        handle.release()
        if handle in self._lasting:
            self._lasting.remove(handle)

    def of_board(self, board: str) -> list[ArmedFault]:
        """The faults of this board alone, those that are only felt included."""
        return [handle for handle in (*self.armed, *self._lasting) if handle.board == board]

    def clear_all(self, why: str) -> None:
        for handle in [*self.armed, *self._lasting]:
            self.clear(handle, why)

    def admit(self, board: str, connection: int) -> tuple[Admission, ArmedFault] | None:
        """What the first armed fault that keeps this connection out does with it, if there is one."""
        for handle in list(self.armed):
            admission = handle.fault.admit() if handle.concerns(board) else None
            if admission is not None and handle.occasion(board, connection):
                return admission, handle
        return None

    def tls(self, settings: TlsSettings, board: str, connection: Held) -> TlsSettings:
        """`settings` as all armed faults together want them; a later one works on what the earlier ones left."""
        for handle in list(self.armed):
            changed = handle.fault.tls(settings) if handle.concerns(board) else settings
            if changed is not settings and handle.occasion(board, connection.number):
                settings = changed
                if handle.fault.stalls:
                    handle.held.add(connection)
        return settings
