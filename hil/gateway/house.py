"""The connections of one gateway, and who may come in: the doors, the crowd, and what is told of those turned away."""

from __future__ import annotations

import resource
import socket
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from hil.gateway.crowd import Crowd, Refusal
from hil.gateway.descriptors import Descriptors
from hil.gateway.door import Door, Doorkeeper, Spare
from hil.gateway.limits import Limits
from hil.gateway.refusals import Refusals

if TYPE_CHECKING:
    from hil.gateway.connection import Connection


class House:
    """`record` puts the data of an event `refused` on a board's timeline. Made anywhere; used in the loop's thread."""

    def __init__(self, limits: Limits, record: Callable[[str, dict[str, Any]], object]) -> None:
        self.connections: set[Connection] = set()
        self._limits = limits
        self._crowd = Crowd(limits, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._files = Descriptors(self._crowd.files)
        self._going: set[Connection] = set()  # ended to make room, their descriptors still in use for a moment
        self._refusals = Refusals(record)
        self._doors: list[Door] = []
        self._spare: Spare | None = None
        self._unfinished = 0

    def open(self, sock: socket.socket, keeper: Doorkeeper) -> None:
        """Accept on a bound socket from now on."""
        if self._spare is None:
            self._spare = Spare()
        self._doors.append(Door(sock, keeper, self._spare))

    def close_doors(self) -> None:
        for door in self._doors:
            door.close()
        self._doors.clear()
        self._refusals.close()
        if self._spare is not None:
            self._spare.give_up()
            self._spare = None

    def may_enter(self, board: str, peer: str, file: int) -> Refusal | None:
        """Why there is no room, or None: then there is, and it is taken."""
        used = partial(self._used_beside, file)
        refusal = self._crowd.refuse(board, peer, used, time.monotonic())
        if refusal is None or (refusal.for_want_of_room and self._make_room(board, refusal)):
            self._crowd.arrive(board, peer)
            return None
        return refusal

    def turned_away(self, board: str, peer: str, port: int, refusal: Refusal) -> None:
        self._refusals.add(board, peer, port, refusal)

    def left(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._going.discard(connection)
        self._crowd.leave(connection.board, connection.address)

    def hold(self, change: int) -> bool:
        """Count the bytes of packets that are not whole yet; False if they are too many now."""
        self._unfinished += change
        return change <= 0 or self._unfinished <= self._limits.unfinished

    def _used_beside(self, file: int) -> int:
        return self._files.beside(file) - len(self._going)

    def _make_room(self, board: str, refusal: Refusal) -> bool:
        """End the oldest handshakes of the address that has most of them; False if there are none."""
        within = board if refusal.limit == "connections" else None
        waiting = [c for c in self.connections if not (c.over or c.secured) and within in (None, c.board)]
        if not waiting:
            return False
        busiest = Counter(c.address for c in waiting).most_common(1)[0][0]
        oldest = sorted((c for c in waiting if c.address == busiest), key=lambda c: c.number)
        for one in oldest[: refusal.excess]:
            self._going.add(one)
            one.end("gateway", "reset", reason=f"its handshake was not done, and room was needed: {refusal.words}")
        return True
