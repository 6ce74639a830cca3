"""How long a connection waits for its board: for the handshake, for the CONNECT, and then for each next packet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Patience:
    """One timer, which waits for one thing at a time. Times in seconds.

    The keep-alive's is not set anew with each packet: when it ends, it looks whether something was heard meanwhile.
    """

    def __init__(self, silence: Callable[[], None]) -> None:
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._grace = 0.0  # of silence; 0: any silence is fine
        self._heard = self._loop.time()
        self._held = False
        self._over = False

    def until(self, seconds: float, late: Callable[[], None]) -> None:
        """Call `late` in so many seconds, instead of what was waited for before."""
        self._cancel()
        if not self._over:
            self._timer = self._loop.call_later(seconds, late)

    def keep_alive(self, grace: float) -> None:
        """From now on wait for packets: more than `grace` without any is `silence`. 0 waits for ever."""
        self._grace = grace
        if grace:
            self.until(grace, self._look)
        else:
            self._cancel()

    def heard(self) -> None:
        """Whole packets have come."""
        self._heard = self._loop.time()

    @property
    def exhausted(self) -> bool:
        """Whether the silence has lasted for longer than the keep-alive allows, noticed or not."""
        return self._grace > 0 and not self._held and self._loop.time() >= self._heard + self._grace

    def hold(self, held: bool) -> None:
        """While the board is not being read, its silence is not its own."""
        self._held = held
        if not held:
            self.heard()

    def end(self) -> None:
        """Wait for nothing any more."""
        self._over = True
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        left = self._grace if self._held else self._heard + self._grace - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._silence()
