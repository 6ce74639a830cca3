"""Tells of connections that were refused: each one at first, and of a flood how many they were, once a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from hil.gateway.crowd import Refusal

SINGLY: Final = 10
"""Refusals of one board for one limit that are told one by one, until there were none of them for `EVERY` seconds."""
EVERY: Final = 1.0
"""Seconds after which a flood is summed up."""
PEERS: Final = 8
"""Addresses that a sum names, those with most refusals."""


class Refusals:
    """Of one gateway, in the loop's thread. `record` puts the data of an event `refused` on a board's timeline.

    The `count` of all events together is the number of connections that were refused: nothing is lost.
    """

    def __init__(self, record: Callable[[str, dict[str, Any]], object]) -> None:
        self._record = record
        self._told: Counter[tuple[str, str]] = Counter()
        self._sums: dict[tuple[str, str], Counter[str]] = {}
        self._words: dict[tuple[str, str], str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0

    def add(self, board: str, peer: str, port: int, refusal: Refusal) -> None:
        key = board, refusal.limit
        loop = asyncio.get_running_loop()
        if self._told[key] < SINGLY:
            about = {"peer": f"{peer}:{port}", "limit": refusal.limit, "reason": refusal.words, "count": 1}
            self._record(board, about)
        else:
            self._sums.setdefault(key, Counter())[peer] += 1
            self._words[key] = refusal.words
        self._told[key] += 1
        if self._timer is None:
            self._since = loop.time()
            self._timer = loop.call_later(EVERY, self._sum_up)

    def close(self) -> None:
        """Tell what has not been told yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell()

    def _sum_up(self) -> None:
        self._timer = None
        before = set(self._told)
        quiet = before - set(self._sums)
        self._tell()
        for key in quiet:
            del self._told[key]
        if self._told:
            loop = asyncio.get_running_loop()
            self._since = loop.time()
            self._timer = loop.call_later(EVERY, self._sum_up)

    def _tell(self) -> None:
        seconds = round(asyncio.get_running_loop().time() - self._since, 3)
        for (board, limit), peers in self._sums.items():
            about = {"limit": limit, "reason": self._words[board, limit], "count": peers.total(), "seconds": seconds}
            self._record(board, {**about, "peers": dict(peers.most_common(PEERS))})
        self._sums.clear()
        self._words.clear()
