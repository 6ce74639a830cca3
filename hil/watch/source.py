"""Where the rows come from, as the screen sees it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from hil.report.legible import legible
from hil.watch.following import CHUNK, Follower
from hil.watch.row import Row

INTERVAL = 0.1
"""Seconds between two looks at a run's files: what a person takes for at once. inotify would not see a network disk."""

ENDED_EVERY = 20
"""Looks between two questions whether anybody still writes the run: they go through all processes of the host."""

WAITING = 20_000
"""Rows that may wait for the screen; a reader that is faster has to wait."""

AT_ONCE = 4_000
"""Rows that the screen takes at once: some 50 ms of work, so that a key is answered meanwhile."""


LIVE, BEHIND = "live", "catching up"
"""What is shown is what happens now, or is older: events come faster than they can be read here."""


class Source(Protocol):
    """`title` for the top line. `began`: the monotonic time of the first event, in seconds, once there is one."""

    title: str

    @property
    def began(self) -> float | None: ...

    def take(self) -> list[Row]:
        """What has come since; at most AT_ONCE rows. Never waits."""

    def state(self) -> str:
        """LIVE, BEHIND, or another word for the state of what is watched."""

    def note(self) -> str | None:
        """A line to be shown once, such as why nothing comes any more."""


class FollowedRun:
    """A run of somebody else: a thread reads its files. Use as a context manager."""

    def __init__(self, follower: Follower) -> None:
        self.title = legible(follower.path.resolve().name, keep="")
        self._follower = follower
        self._rows: deque[Row] = deque()
        self._notes: deque[str] = deque()
        self._state = LIVE
        self._behind = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="hil-watch", daemon=True)

    def __enter__(self) -> FollowedRun:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def began(self) -> float | None:
        return self._follower.began

    def take(self) -> list[Row]:
        return [self._rows.popleft() for _ in range(min(AT_ONCE, len(self._rows)))]

    def state(self) -> str:
        return BEHIND if self._state == LIVE and self._behind else self._state

    def note(self) -> str | None:
        return self._notes.popleft() if self._notes else None

    def _read(self) -> None:
        looks = 0
        more = True
        bad = 0
        while not self._stop.wait(0 if more else INTERVAL):
            more = self._look()
            if looks == 0 and self._follower.left_out:
                self._notes.append(f"a long run: its first {self._follower.left_out >> 20} MB are not read here")
            if self._follower.bad_lines > bad:
                bad = self._follower.bad_lines
                self._notes.append(f"left out: {bad} lines that are no events")
            if looks % ENDED_EVERY == 0:
                self._ask_whether_it_ended()
            looks += 1

    def _look(self) -> bool:
        """Read what is new; whether there may be more at once."""
        try:
            rows = self._follower.read()
        except OSError as error:
            self._become("unreadable", str(error))
            return False
        self._rows.extend(rows)
        self._behind = self._follower.unread > CHUNK
        if not self._behind:
            for row in rows:
                row.prepare()
        return bool(rows) and len(self._rows) < WAITING

    def _ask_whether_it_ended(self) -> None:
        ended = self._follower.ended()
        if ended:
            self._become("ended", "the run has ended: no process of this host writes it any more")
        elif ended is False:
            self._become(LIVE, "")

    def _become(self, state: str, note: str) -> None:
        if state != self._state:
            self._state = state
            if note:
                self._notes.append(note)
