"""A second client under a board's id, straight at the broker: the two throw each other out.

    with Rival((broker.host, broker.port), "esp32-a", timeline, "esp32-a", times=3):
        ...

A broker may have one connection for each client id; a new one takes the session over, and the old one is closed (MQTT
3.1.1, section 3.1.4; MQTT 5, section 3.1.4). The rival comes, stays until it is thrown out itself, and comes again.
Each of its connects is a `gateway` `fault` {name: second-client, state: applied}; what the board's side sees of it is
`gateway` `close` {by: broker}, in MQTT 3.1.1 an end like any other.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from hil.broker.broker import BrokerError
from hil.timeline import Event, Match, Timeline
from hil.wire.mqtt import Connack, Connect, Decoder, Version, encode

NAME: Final = "second-client"
_PATIENCE: Final = 15.0
"""Seconds for the broker to take one connect."""
_GLANCE: Final = 0.2
"""Seconds between two looks at whether the block has ended, while it waits to be thrown out."""


class Rival:
    """Plays in a thread of its own between entering and leaving the block.

    `at`: the event that brings it for the first time; at once without. `times`: how often it comes, `pause`: seconds
    from being thrown out until it comes again. After its last time it leaves the board the id as soon as it is thrown
    out. Entering raises nothing; leaving raises BrokerError if the broker did not take it.
    """

    def __init__(
        self,
        address: tuple[str, int],
        client_id: str,
        timeline: Timeline,
        board: str,
        *,
        at: Match | None = None,
        times: int = 3,
        pause: float = 1.0,
        clean: bool = True,
    ) -> None:
        self._address = address
        self._connect = Connect(client_id, Version.V311, clean=clean, keep_alive=0)
        self._timeline = timeline
        self._board = board
        self._at = at
        self._times = times
        self._pause = pause
        self._come = threading.Event()
        self._over = threading.Event()
        self._error: BrokerError | None = None
        self._hush: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._play, name=f"hil-rival-{board}", daemon=True)

    def __enter__(self) -> Rival:
        self._tell("armed", times=self._times, pause=self._pause)
        if self._at is None:
            self._come.set()
        else:
            self._hush = self._timeline.listen(self._hear)
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._over.set()
        self._come.set()
        self._thread.join(2 * _PATIENCE)
        self._hush()
        self._tell("cleared")
        if self._error is not None and reason[0] is None:
            raise self._error

    def _hear(self, event: Event) -> None:
        if self._at is not None and self._at(event):
            self._come.set()

    def _play(self) -> None:
        self._come.wait()
        for number in range(1, self._times + 1):
            if self._over.is_set():
                return
            try:
                self._once(number)
            except (OSError, ValueError) as error:
                self._error = BrokerError(
                    f"second client of {self._board}: the broker at {self._address[0]}:{self._address[1]} does not "
                    f"take it ({error}); does it let clients in without TLS and a name?"
                )
                return
            if self._over.wait(self._pause):
                return

    def _once(self, number: int) -> None:
        """Connect, and stay until thrown out, or until the block ends. Raises OSError, ValueError."""
        with socket.create_connection(self._address, timeout=_PATIENCE) as link:
            link.sendall(encode(self._connect, Version.V311))
            decoder = Decoder(Version.V311)
            answers = decoder.feed(link.recv(4096))
            if not (answers and isinstance(answers[0][0], Connack) and answers[0][0].code == 0):
                raise ValueError("it does not accept the CONNECT")
            self._tell("applied", number=number)
            link.settimeout(_GLANCE)
            while not self._over.is_set():
                with contextlib.suppress(TimeoutError):
                    if not self._still_there(link):
                        return

    @staticmethod
    def _still_there(link: socket.socket) -> bool:
        try:
            return bool(link.recv(4096))
        except ConnectionError:
            return False

    def _tell(self, state: str, **data: Any) -> None:
        self._timeline.record("gateway", "fault", self._board, name=NAME, state=state, **data)
