"""Who reads a console's port: a thread of its own, and for as long as a test waits for an answer, the test's thread.

The thread makes sure that nothing is missed while no test is looking, and opens a lost port again. But an answer that
it reads for somebody else costs a change of threads, which takes as long as the rest of the round trip. So a thread
that waits for an answer may lead: it reads and takes in what comes, and the reader's thread stands by.

Rules. Only who holds `_gate` reads and hands on, so bytes keep their order. The reader's thread does neither while
there is a leader, nor for STAND_BY after a short turn, since the next often follows at once: sooner than that thread
could be woken. The kernel keeps the bytes until then. A long turn ends with a word to the reader's thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hil.ports import PortFinder
from hil.serial_port import PortError, PortLost, SerialPort

# Delays between attempts to open a lost port again, in seconds: a re-enumeration takes some tenths of a second.
BACK_OFF = (0.02, 0.02, 0.05, 0.05, 0.1, 0.1, 0.25)
# How soon the reader's thread looks whether a leader's short turn is over, and what a short turn is, in seconds.
STAND_BY = 0.005
SHORT_TURN = 0.02
# A leader waits no longer than this at once, in seconds: an interrupt that came just before it began to wait is seen
# only after it. So one that has not been heard of for some times as long is gone: interrupted twice, even in its end.
LONGEST_STEP = 1.0
GONE_AFTER = 5.0


class Reader:
    """Reads the port at `url`, hands each piece to `take`, and reports `state` changes: (state, reason).

    When `take` raises, reading ends: `failure` says why, and `wake` is called.
    """

    def __init__(
        self,
        url: str | PortFinder,
        baud: int,
        name: str,
        *,
        take: Callable[[bytes], None],
        state: Callable[[str, str | None], None],
        wake: Callable[[], None],
    ) -> None:
        self.url = url
        self.baud = baud
        self.port: SerialPort | None = None
        self.why_away = ""
        self.failure = ""
        self._name = name
        self._take = take
        self._state = state
        self._wake = wake
        self._gate = threading.Lock()
        self._turn = threading.Condition()
        self._leader: Turn | None = None
        self._turns = 0
        self._turn_ended = 0.0
        self._resume = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, port: SerialPort | None, state: str, reason: str | None) -> None:
        """Start to read `port`, or to try and open it if it is None; report `state` once it is open."""
        self._stopping = threading.Event()
        if port is not None:
            self._set(port, state, reason)
        self._thread = threading.Thread(target=self._run, args=(state, reason), name=self._name, daemon=True)
        self._thread.start()

    def stop(self, reason: str | None) -> None:
        """End the thread and any leader's turn, close the port, report 'closed'."""
        self._stopping.set()
        self._resume.set()
        port = self.port
        if port is not None:
            port.wake()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._turn:
            self._turn.wait_for(lambda: self._leader is None, GONE_AFTER)
        port, self.port = self.port, None
        if port is not None:
            port.close()
        self._state("closed", reason)

    def send(self, port: SerialPort, data: bytes, record: Callable[[], object]) -> None:
        """Write `data`, and `record` that before any answer to it is taken in. Raises PortError.

        While the other end makes up its answer there is time to record; before writing, that time would be lost. What
        does not fit in at once is written without the gate, or the two ends might wait for each other for ever.
        """
        with self._gate:
            done = port.write_now(data)
            record()
        if done < len(data):
            port.write(data[done:])

    # -- the reader's thread -----------------------------------------------------------------------------------------

    def _run(self, state: str, reason: str | None) -> None:
        try:
            while not self._stopping.is_set() and not self.failure:
                port = self.port
                if port is None:
                    self._reopen(state, reason)
                    continue
                try:
                    self._read(port)
                except PortLost as error:
                    state, reason = "back", None
                    self._lose(port, str(error))
        except Exception as error:  # such as a full disk: nobody must wait for a reader that is gone
            self.failure = f"its reader has failed: {type(error).__name__}: {error}"
            self._wake()

    def _read(self, port: SerialPort) -> None:
        if not port.pollable:
            data = port.read_stream()
            with self._gate:
                if data:
                    self._take(data)
            return
        if not port.wait():
            return
        with self._gate:
            led = self._led()
            data = b"" if led else port.read()
            if data:
                self._take(data)
        if led:
            self._stand_by()

    def _led(self) -> bool:
        return self._leader is not None or time.monotonic() - self._turn_ended < STAND_BY

    def _stand_by(self) -> None:
        turn, since = self._turns, time.monotonic()
        while True:
            self._resume.clear()
            leader = self._leader
            if leader is not None and time.monotonic() - leader.heard > GONE_AFTER:
                self._end(leader, short=False)
            if not self._led() or self._stopping.is_set():
                return
            if self._turns != turn:
                turn, since = self._turns, time.monotonic()
            # A turn of more than SHORT_TURN ends with a word to this thread, so that it need not look again.
            short = time.monotonic() - since < 2 * SHORT_TURN
            self._resume.wait(STAND_BY if short else 1.0)

    def _reopen(self, state: str, reason: str | None) -> None:
        attempt = 0
        while not self._stopping.wait(BACK_OFF[min(attempt, len(BACK_OFF) - 1)] if attempt else 0):
            attempt += 1
            try:
                port = SerialPort.open(self.url, self.baud)
            except PortError as error:
                self.why_away = str(error)
                continue
            self._set(port, state, reason)
            return

    def _set(self, port: SerialPort, state: str, reason: str | None) -> None:
        self.why_away = ""
        self.port = port
        self._state(state, reason)

    def _lose(self, port: SerialPort, reason: str) -> None:
        self.why_away = reason
        self.port = None
        with self._turn:
            self._turn.wait_for(lambda: self._leader is None, GONE_AFTER)
        port.close()
        self._state("lost", reason)

    # -- leading -----------------------------------------------------------------------------------------------------

    def turn(self) -> Turn:
        """A turn that may begin, and must end."""
        return Turn(self)

    def _begin(self, turn: Turn) -> SerialPort | None:
        port = self.port
        if port is None or not port.pollable:
            return None
        with self._turn:
            if self._leader is not None or self._stopping.is_set():
                return None
            self._turns += 1
            self._leader = turn
        with self._gate:
            pass  # what the reader's thread is taking in just now is in before the leader looks
        return port

    def _step(self, turn: Turn, port: SerialPort, timeout: float) -> bool:
        if self.port is not port or self._stopping.is_set():
            return False
        turn.heard = time.monotonic()
        if port.wait(min(timeout, LONGEST_STEP), second=True):
            try:
                with self._gate:
                    if self._leader is not turn:
                        return False
                    data = port.read()
                    if data:
                        self._take(data)
            except PortLost:
                return False  # the reader's thread sees the same and knows what to do
            except Exception as error:
                self.failure = f"its reader has failed: {type(error).__name__}: {error}"
                return False
        return not self._stopping.is_set()

    def _end(self, turn: Turn, short: bool) -> None:
        with self._turn:
            if self._leader is not turn:
                return
            self._turn_ended = time.monotonic() if short else 0.0
            self._leader = None
            self._turn.notify_all()
        if not short:
            self._resume.set()


class Turn:
    """A leader's time as the one who reads: begin(), step() as long as it is True, and end() whatever happens.

    An interrupt may come anywhere, so `end` asks the reader whose turn it is.
    """

    __slots__ = ("_failed", "_port", "_reader", "_since", "heard")

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._port: SerialPort | None = None
        self._since = self.heard = time.monotonic()
        self._failed = False

    def begin(self) -> bool:
        """Lead from now on. False: the port is away or cannot be polled, or another thread leads."""
        self._port = self._reader._begin(self)
        return self._port is not None

    def step(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds, a second at most, and take in what comes. False: this thread leads no more."""
        if self._port is not None and self._reader._step(self, self._port, timeout):
            return True
        self._failed = True
        return False

    def end(self) -> None:
        """Hand the reading back. Ending twice, or what has not begun, does nothing."""
        self._reader._end(self, time.monotonic() - self._since < SHORT_TURN and not self._failed)
