"""What a fault is, and the armory that keeps the armed ones.

One fault is one small frozen class in a file of its own, its parameters declared as fields with units. It says at
which points of a connection's life it steps in, by overriding the methods below; everything else goes on as ever.

    handle = gateway.arm(RefuseConnect(count=3), board="esp32-a")
    ...
    handle.clear()

    with gateway.fault(RefuseConnect()):
        ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import Any, ClassVar, Literal

from hil.gateway.tls import TlsSettings

Admission = Literal["reset", "fin", "no-answer"]
"""What can happen to a TCP connection that is not served."""

Recorder = Callable[[str | None, dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The points at which a fault may step in, each doing nothing here.

    `count`: the number of connects that it applies to before it clears itself; None: until it is cleared.
    """

    name: ClassVar[str] = "fault"
    count: int | None = None

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError(f"fault {self.name}: count is {self.count}, expected 1 or more, or None for no limit")

    def admit(self) -> Admission | None:
        """At the TCP accept: None serves the connection, anything else says what becomes of it instead."""
        return None

    def tls(self, settings: TlsSettings) -> TlsSettings:
        """Before the handshake: the settings that it shall have."""
        return settings

    def parameters(self) -> dict[str, Any]:
        """The fields as the timeline tells them. PEM and other bytes are left out: a key must not get into a log."""
        return {f.name: value for f in fields(self) if not isinstance(value := getattr(self, f.name), bytes) and f.repr}


class ArmedFault:
    """A fault that is in force, on one board or (board None) on all. Also a context manager that clears it."""

    def __init__(self, fault: Fault, board: str | None, record: Recorder, remove: Callable[[ArmedFault], None]) -> None:
        self.fault = fault
        self.board = board
        self.applied = 0  # the number of connections that met it
        self.cleared = False
        self._record = record
        self._remove = remove
        self._tell("armed", board)

    def clear(self) -> None:
        """End the fault. Clearing twice does nothing. Call it from any thread but the loop's."""
        self._remove(self)

    def __enter__(self) -> ArmedFault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def concerns(self, board: str) -> bool:
        return not self.cleared and self.board in (None, board)

    def apply(self, board: str, connection: int) -> bool:
        """Note that a connection meets it; False once it has met the last one. In the loop's thread."""
        self.applied += 1
        self._tell("applied", board, connection=connection)
        return self.fault.count is None or self.applied < self.fault.count

    def end(self, why: str) -> None:
        """In the loop's thread."""
        if not self.cleared:
            self.cleared = True
            self._tell("cleared", self.board, why=why, times=self.applied)

    def _tell(self, state: str, board: str | None, **more: Any) -> None:
        self._record(board, {"name": self.fault.name, "state": state, **self.fault.parameters(), **more})


@dataclass
class Armory:
    """The armed faults, oldest first. All in the loop's thread."""

    record: Recorder
    armed: list[ArmedFault] = field(default_factory=list)

    def arm(self, fault: Fault, board: str | None, remove: Callable[[ArmedFault], None]) -> ArmedFault:
        handle = ArmedFault(fault, board, self.record, remove)
        self.armed.append(handle)
        return handle

    def clear(self, handle: ArmedFault, why: str = "cleared") -> None:
        if handle in self.armed:
            self.armed.remove(handle)
        handle.end(why)

    def clear_all(self, why: str) -> None:
        for handle in list(self.armed):
            self.clear(handle, why)

    def admit(self, board: str, connection: int) -> tuple[Admission, ArmedFault] | None:
        """What the first armed fault that keeps this connection out does with it, if there is one."""
        for handle in list(self.armed):
            if handle.concerns(board) and (admission := handle.fault.admit()) is not None:
                self._apply(handle, board, connection)
                return admission, handle
        return None

    def tls(self, settings: TlsSettings, board: str, connection: int) -> TlsSettings:
        """`settings` as all armed faults together want them; a later one works on what the earlier ones left."""
        for handle in list(self.armed):
            if handle.concerns(board) and (changed := handle.fault.tls(settings)) is not settings:
                settings = changed
                self._apply(handle, board, connection)
        return settings

    def _apply(self, handle: ArmedFault, board: str, connection: int) -> None:
        if not handle.apply(board, connection):
            self.clear(handle, "count reached")
