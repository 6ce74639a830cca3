"""The serial link: what carries the lines of a board without a network to the broker's side, and back.

    link = Link(timeline, console, contract, endpoint, context)
    link.start()        # from now on the board is a client of the gateway, for as long as it speaks
    link.close()

**A life of the board** begins with the first line of the protocol that it says, and is one MQTT client. It ends, and
the client with it, without a goodbye, so that the broker publishes the will:

- when the line goes away (its port vanishes, or is lent to a flasher),
- when the board says that it has just started (`link.start`), in the middle of a life: as a networked board's
  connection does not outlive a restart either,
- when it has said nothing for `link.silence` seconds: it has no power, or hangs, and the line cannot tell which.

The link knows nothing of power switches. `{"disconnect": true}` ends a life with a goodbye; then, and after `rest`,
only a start begins another.

One thread does all of this, from one queue; the console's reader and the MQTT client's thread only put things in.
"""

from __future__ import annotations

import queue
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from hil.console import Console, ConsoleError
from hil.contract import Contract
from hil.link import protocol
from hil.link.client import Client, Endpoint, Received
from hil.link.cutting import Cutter, Unusable
from hil.link.names import Names
from hil.timeline import Timeline

HELD = 64
"""Messages of the board that are kept while there is no connection; the oldest are dropped."""
SHOWN = 80
"""Characters of a bad line that its event shows; the console's own event has all of it."""
PATIENCE = 5.0
"""Seconds for the link's thread to do what it was asked."""


class Link:
    """The host's side of one board's line. `contract` has a `[link]`; `endpoint` and `tls` are for `Client`."""

    def __init__(
        self, timeline: Timeline, console: Console, contract: Contract, endpoint: Endpoint, tls: ssl.SSLContext
    ) -> None:
        if contract.link is None:
            raise ValueError(f"the contract {contract.name!r} has no [link]")
        self.board = console.board
        self._timeline = timeline
        self._console = console
        self._contract = contract
        self._promise = contract.link
        self._endpoint = endpoint
        self._tls = tls
        self._names = Names(contract.link.topics)
        self._start_sign = re.compile(contract.link.start)
        self._cutter = Cutter(contract.link.longest)
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"link of {self.board}", daemon=True)
        self._unobserve: Callable[[], None] = lambda: None
        self._client: Client | None = None
        self._connected = False
        self._last: Client | None = None  # of the life before
        self._resting = False
        self._leaving = False  # as soon as it has been let in and all is said
        self._heard = 0.0  # when the board last said something, monotonic
        self._subscriptions: dict[str, int] = {}
        self._asked: dict[int, str] = {}
        self._held: deque[protocol.Publish] = deque()
        self._later: list[tuple[float, Callable[[], None]]] = []

    # -- for the bench -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to listen to the console."""
        self._thread.start()
        self._unobserve = self._console.observe(self)

    def rest(self) -> None:
        """End the board's life, if there is one, and wait for its next start: what it still says begins none.

        Returns when that is done. For between tests: a board whose power was cut may have its last words in a buffer.
        """
        done = threading.Event()

        def rest() -> None:
            self._end("at rest")
            self._resting = True
            done.set()

        self._inbox.put(rest)
        done.wait(PATIENCE)

    def close(self) -> None:
        """End the life of the board without a goodbye, and all threads. Closing twice does nothing."""
        self._unobserve()
        if self._thread.is_alive():
            self._inbox.put(None)
            self._thread.join(PATIENCE)
        if self._last is not None:
            self._last.wait_ended()

    # -- hil.observing.Observer, in the reader's thread ----------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """See `hil.observing.Observer`."""
        self._inbox.put(partial(self._take, data, time.monotonic()))

    def port(self, state: str) -> None:
        """See `hil.observing.Observer`."""
        self._inbox.put(partial(self._port, state))

    # -- hil.link.client.Owner, in the client's thread ---------------------------------------------------------------

    def connected(self, client: Client) -> None:
        """See `hil.link.client.Owner`."""
        self._inbox.put(partial(self._on_connected, client))

    def lost(self, client: Client, reason: str, again: float | None) -> None:
        """See `hil.link.client.Owner`."""
        self._inbox.put(partial(self._on_lost, client, reason, again))

    def granted(self, client: Client, number: int, granted: bool) -> None:
        """See `hil.link.client.Owner`."""
        self._inbox.put(partial(self._on_granted, client, number, granted))

    def arrived(self, client: Client, message: Received) -> None:
        """See `hil.link.client.Owner`."""
        self._inbox.put(partial(self._on_arrived, client, message))

    # -- the link's own thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                try:
                    act = self._inbox.get(timeout=self._next())
                except queue.Empty:
                    self._time_is_up()
                    continue
                if act is None:
                    return
                act()
        except Exception as error:  # nobody may take a board for dead because the link is
            self._record("failed", reason=f"{type(error).__name__}: {error}")
            raise
        finally:
            self._end("the link is closed")

    def _next(self) -> float | None:
        """Seconds until something is due by the clock; None: never."""
        moments = [at for at, _ in self._later]
        if self._client is not None:
            moments.append(self._heard + self._promise.silence)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _time_is_up(self) -> None:
        now = time.monotonic()
        due = [act for at, act in self._later if at <= now]
        self._later = [(at, act) for at, act in self._later if at > now]
        for act in due:
            act()
        if self._client is not None and now >= self._heard + self._promise.silence:
            self._end("silence", seconds=round(now - self._heard, 3))

    def _record(self, kind: str, **data: object) -> None:
        self._timeline.record("link", kind, self.board, **data)

    # -- the board's life --------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._record("alive")
        self._client = Client(self._contract.mqtt, self._contract.retry, self._endpoint, self._tls, self)
        self._client.start(f"MQTT client of {self.board}", after=self._last)

    def _end(self, why: str, *, goodbye: bool = False, **data: object) -> None:
        self._subscriptions.clear()
        self._asked.clear()
        self._held.clear()
        self._later.clear()
        self._connected = self._leaving = False
        client, self._client = self._client, None
        if client is not None:
            self._record("dead" if not goodbye else "left", why=why, **data)
            client.end(goodbye=goodbye)
            self._last = client

    def _port(self, state: str) -> None:
        if state in ("lost", "closed"):
            for torn in self._cutter.end():
                self._bad(torn.begin, torn.why)
            self._end("the line is away")

    # -- what the board says -----------------------------------------------------------------------------------------

    def _take(self, data: bytes, at: float) -> None:
        for line in self._cutter.feed(data):
            if isinstance(line, Unusable):
                self._bad(line.begin, line.why)
            else:
                self._line(line, at)

    def _line(self, line: bytes, at: float) -> None:
        try:
            said = protocol.parse(line)
            action = None if said is None else self._meaning(said)
        except protocol.BadLine as bad:
            if not self._is_start(line):
                self._bad(line, str(bad))
            return
        if action is None:
            if not self._is_start(line) and line.strip():
                self._heard = max(self._heard, at)
            return
        if self._resting:
            return
        self._heard = max(self._heard, at)
        if self._client is None:
            self._begin()
        action()

    def _is_start(self, line: bytes) -> bool:
        """Whether the board says that it has just started; then its life before is over."""
        if not self._start_sign.search(line.decode("utf-8", "replace")):
            return False
        self._resting = False
        self._end("it has restarted")
        return True

    def _meaning(self, said: protocol.Said) -> Callable[[], None]:
        """What is to be done about it. Raises BadLine."""
        match said:
            case protocol.Publish():
                return partial(self._publish, self._names.outward(said))
            case protocol.Subscribe():
                return partial(self._subscribe, self._names.wanted(said.topic_filter, said.qos))
            case protocol.Unsubscribe():
                return partial(self._unsubscribe, self._names.wanted(said.topic_filter).topic_filter)
            case protocol.Goodbye():
                return self._goodbye
            case protocol.Alive():
                return lambda: None

    def _goodbye(self) -> None:
        """What it has said before is still brought to the broker: it may have woken up for a moment alone."""
        self._resting = True
        if self._connected:
            self._end("it has said goodbye", goodbye=True)
        else:
            self._leaving = True

    def _bad(self, line: bytes, why: str) -> None:
        self._record("bad-line", reason=why, text=line[:SHOWN].decode("utf-8", "backslashreplace"))

    def _publish(self, said: protocol.Publish) -> None:
        if self._connected and self._client is not None:
            self._client.publish(said.topic, said.payload, said.qos or 0, bool(said.retain))
            return
        if len(self._held) == HELD:
            self._record("dropped", topic=self._held.popleft().topic, reason=f"{HELD} messages wait for a connection")
        self._held.append(said)

    def _subscribe(self, wanted: protocol.Subscribe) -> None:
        self._subscriptions[wanted.topic_filter] = wanted.qos or 0
        self._ask(wanted.topic_filter)

    def _unsubscribe(self, topic_filter: str) -> None:
        if self._subscriptions.pop(topic_filter, None) is not None and self._connected and self._client is not None:
            self._client.unsubscribe(topic_filter)

    def _ask(self, topic_filter: str) -> None:
        if self._connected and self._client is not None and topic_filter in self._subscriptions:
            number = self._client.subscribe(topic_filter, self._subscriptions[topic_filter])
            if number is not None:
                self._asked[number] = topic_filter

    # -- what the broker's side says ---------------------------------------------------------------------------------

    def _on_connected(self, client: Client) -> None:
        if client is not self._client:
            return
        self._connected = True
        self._record("connected", client_id=self._contract.mqtt.client_id)
        online = self._contract.mqtt.online
        if online is not None and online.payload is not None:
            client.publish(online.topic, online.payload.encode(), online.qos, online.retain)
        for topic_filter in self._subscriptions:
            self._ask(topic_filter)
        while self._held:
            self._publish(self._held.popleft())
        if self._leaving:
            self._end("it has said goodbye", goodbye=True)

    def _on_lost(self, client: Client, reason: str, again: float | None) -> None:
        if client is not self._client:
            return
        self._connected = False
        self._asked.clear()
        self._record("lost", reason=reason, again=None if again is None else round(again, 3))

    def _on_granted(self, client: Client, number: int, granted: bool) -> None:
        if client is not self._client:
            return
        topic_filter = self._asked.pop(number, None)
        if topic_filter is None or granted:
            return
        again = self._contract.retry.first
        self._record("refused", filter=topic_filter, again=again)
        self._later.append((time.monotonic() + again, partial(self._ask, topic_filter)))

    def _on_arrived(self, client: Client, message: Received) -> None:
        """Say it to the board; only then is it acknowledged, so that none is lost between broker and line."""
        if client is not self._client:
            return
        name = self._names.inward(message.topic)
        line = protocol.message(name, message.payload, retain=message.retain, dup=message.dup)
        if len(line) > self._promise.longest:
            reason = f"its line has {len(line)} bytes, more than {self._promise.longest} (link.longest)"
            self._record("dropped", topic=message.topic, reason=reason)
        else:
            try:
                self._console.send(line, timeout=0.0)
            except ConsoleError as error:
                self._record("dropped", topic=message.topic, reason=str(error))
                return
        client.acknowledge(message)
