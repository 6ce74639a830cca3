"""How many connections there are, of whom, and whether there is room for one more. Counts alone; no sockets here."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from hil.gateway.limits import Limits
from hil.gateway.register import Rate

Limit = Literal["rate", "peer", "connections", "total", "files"]
"""Which limit is reached. Only for the last three does it help that somebody else goes."""

PEERS: Final = 4096
"""Addresses whose rate is remembered, those not seen for longest being forgotten first."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no room: `limit`, and the same in words. `excess`: how many have to go so that there is."""

    limit: Limit
    words: str
    excess: int = 1

    @property
    def for_want_of_room(self) -> bool:
        return self.limit in ("connections", "total", "files")


class Crowd:
    """The connections of one gateway. `files`: how many file descriptors this process may have."""

    def __init__(self, limits: Limits, files: int) -> None:
        self._limits = limits
        self._files = files
        self._boards: Counter[str] = Counter()
        self._peers: Counter[tuple[str, str]] = Counter()
        self._rates: OrderedDict[tuple[str, str], Rate] = OrderedDict()

    @property
    def total(self) -> int:
        return self._boards.total()

    @property
    def files(self) -> int:
        """How many descriptors may be in use before a newcomer takes one of those that are kept back."""
        return self._files - self._limits.files_left

    def refuse(self, board: str, peer: str, used: Callable[[], int], now: float) -> Refusal | None:
        """Why a connection to `board` from the address `peer` cannot be, or None.

        `used`: tells how many file descriptors are in use beside its own; asked only of who may come in otherwise.
        """
        limits = self._limits
        if not self._rate(board, peer, now).take(now):
            return Refusal("rate", f"more than {limits.rate:g} connections a second from {peer}")
        if self._peers[board, peer] >= limits.peer:
            return Refusal("peer", f"{limits.peer} connections from {peer} are open already")
        if self._boards[board] >= limits.connections:
            return Refusal("connections", f"{limits.connections} connections are open already")
        if self.total >= limits.total:
            return Refusal("total", f"{limits.total} connections of all boards are open already")
        excess = (files := used()) - self.files + 1
        if excess > 0:
            words = f"{files} of this process's {self._files} file descriptors are in use (ulimit -n)"
            return Refusal("files", words, excess)
        return None

    def arrive(self, board: str, peer: str) -> None:
        self._boards[board] += 1
        self._peers[board, peer] += 1

    def leave(self, board: str, peer: str) -> None:
        self._boards[board] -= 1
        self._peers[board, peer] -= 1
        if self._peers[board, peer] <= 0:
            del self._peers[board, peer]

    def _rate(self, board: str, peer: str, now: float) -> Rate:
        key = board, peer
        rate = self._rates.get(key)
        if rate is None:
            burst = self._limits.peer
            rate = self._rates[key] = Rate(burst, burst / self._limits.rate, now)
            if len(self._rates) > PEERS:
                self._rates.popitem(last=False)
        else:
            self._rates.move_to_end(key)
        return rate
