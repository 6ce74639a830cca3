"""What a gateway remembers of its clients between connections: whose session is whose, and how fast they come.

Only as much as policies need, and never more than `MOST` clients: those not seen for longest are forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 4096
"""Clients that are remembered: a flood of made-up client ids must not fill the memory."""
FOREVER: Final = 0xFFFFFFFF
"""The session expiry interval that never comes (MQTT 5 section 3.1.2.11.2)."""


class Rate:
    """At most `limit` occasions in `per` seconds: a bucket of so many, refilled evenly."""

    def __init__(self, limit: int, per: float, now: float) -> None:
        self._limit = limit
        self._per = per
        self._left = float(limit)
        self._seen = now

    def take(self, now: float) -> bool:
        """Whether one more is within the rate; if so, it is counted."""
        self._left = min(self._limit, self._left + (now - self._seen) * self._limit / self._per)
        self._seen = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@dataclass(slots=True)
class Session:
    """One client id's session. `connection`: the number of the live one, None while nobody is connected; `expiry`:
    seconds that it is kept after the end, 0: not at all, FOREVER: always."""

    name: str
    connection: int | None = None
    expiry: float = 0.0
    ended: float = 0.0
    filters: set[str] = field(default_factory=set)

    def there(self, now: float) -> bool:
        """Whether it is alive, or kept and not over yet."""
        return self.connection is not None or not self.over(now)

    def over(self, now: float) -> bool:
        """Whether nobody is connected, and it has been kept for as long as it is."""
        return self.connection is None and self.expiry < FOREVER and now - self.ended >= self.expiry


class Register:
    """Of one gateway. `clock`: monotonic seconds. Not thread-safe: in the loop's thread alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._rates: OrderedDict[tuple[str, ...], Rate] = OrderedDict()

    def forget(self) -> None:
        """Forget all rates, and all sessions but those that are alive."""
        self._rates.clear()
        self._sessions = OrderedDict((i, s) for i, s in self._sessions.items() if s.connection is not None)

    def session(self, client_id: str) -> Session | None:
        """What is known of the session of this client id, over or not."""
        return self._sessions.get(client_id)

    def within(self, limit: int, per: float, *key: str) -> bool:
        """Whether one more occasion of this key is within its rate; if so, it is counted."""
        key = (*key, f"{limit}/{per}")
        if key not in self._rates:
            self._rates[key] = Rate(limit, per, self.clock())
        self._rates.move_to_end(key)
        while len(self._rates) > MOST:
            self._rates.popitem(last=False)
        return self._rates[key].take(self.clock())

    def arrived(self, client_id: str, name: str, connection: int, expiry: float, *, fresh: bool) -> Session:
        """A client is let in; `fresh` forgets what its session held. Returns its session."""
        old = self._sessions.pop(client_id, None)
        kept = old is not None and not fresh and not old.over(self.clock())
        session = Session(name, connection, expiry, filters=old.filters if old is not None and kept else set())
        self._sessions[client_id] = session
        while len(self._sessions) > MOST:
            self._sessions.popitem(last=False)
        return session

    def left(self, client_id: str, connection: int) -> None:
        """The connection has ended; its session is kept for its expiry. A connection taken over changes nothing."""
        session = self._sessions.get(client_id)
        if session is not None and session.connection == connection:
            session.connection = None
            session.ended = self.clock()
