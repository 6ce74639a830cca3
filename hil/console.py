"""A board's serial line: everything it prints, with times, and what was sent to it.

    with Console(timeline, "esp32-a", "/dev/serial/by-id/usb-...", log=Path("esp32-a.log")) as console:
        mark = console.mark()
        reset.hard(console)
        ip = console.expect(re.compile(r"got ip:([\\d.]+)"), timeout=15, after=mark)[1]

A reader thread takes the bytes as they come, whether a test is looking or not. Whole lines become `line` events on
the timeline, a line with a ROM's reset cause a `boot` event too, and all bytes go to the log file as they are, but for
secrets. A port that goes away is opened again as soon as it is back; both are `port` events.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hil.expecting import NotSeen, Seen, Waiter
from hil.lines import Found, Mark, Pattern
from hil.observing import Observer
from hil.ports import PortFinder, PortNotFound, device_of
from hil.reader import Reader, Turn
from hil.received import Received
from hil.serial_port import PortAbsent, PortError, PortLost, SerialPort
from hil.timeline import Timeline
from hil.wiring import USB_UART, Wiring

# A match of a regular expression at the end of an unfinished line might yet grow ('21.' of '21.5'): it counts once
# the line is finished, or nothing more has come for this long, in seconds. Three latency timers of an FTDI chip.
QUIET = 0.05


class ConsoleError(Exception):
    """The console cannot do what was asked; the message is one line."""


class ConsoleClosed(ConsoleError):
    """The console was closed, or was never opened."""


class Console:
    """The serial line of `board` at `url` (any pyserial URL: /dev/tty..., rfc2217://, socket://), at `baud`.

    A PortFinder in place of a URL looks for the port each time it is opened, also when it comes back.

    `log`: where all received bytes go (mode 0600; appended to), or None. `newline` ends what `send_line` sends.
    `wiring`: how its modem lines reach the board; see hil/reset.py.
    """

    def __init__(
        self,
        timeline: Timeline,
        board: str,
        url: str | PortFinder,
        baud: int = 115200,
        log: Path | None = None,
        *,
        newline: str = "\n",
        wiring: Wiring = USB_UART,
    ) -> None:
        self.timeline = timeline
        self.board = board
        self.url = url
        self.baud = baud
        self.log = log
        self.newline = newline
        self.wiring = wiring
        self._received = Received(timeline, board)
        self._consumed = 0
        self._reader = Reader(
            url,
            baud,
            f"console of {board}",
            take=self._received.take,
            state=self._port_state,
            wake=self._received.wake,
        )
        self._opened = False
        self._lent = 0

    # -- opening and closing -----------------------------------------------------------------------------------------

    def open(self, *, awaited: Callable[[], bool] = lambda: False) -> Console:
        """Open the port, without resetting the board, and start to listen. Raises ConsoleError.

        `awaited` is asked where the port is not there: if it may come with the power, it is opened then.
        """
        if self._opened:
            return self
        port: SerialPort | None = None
        try:
            port = SerialPort.open(self.url, self.baud)
        except PortError as error:
            if not (isinstance(error, PortAbsent) and awaited()):
                raise ConsoleError(f"console of {self.board}: {error}") from error
            self._reader.why_away = str(error)
        if self.log is not None:
            self._received.start_log(self.log)
        self._opened = True
        self._reader.start(port, "open", None)
        return self

    def close(self) -> None:
        """Stop listening, close port and log. Closing twice does nothing."""
        if not self._opened:
            return
        self._opened = False
        if not self._lent:
            self._reader.stop(None)
        self._received.end_log()
        self._received.wake()

    def __enter__(self) -> Console:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether the port is there now: not lent, not lost, not closed."""
        return self._reader.port is not None

    @property
    def is_away(self) -> bool:
        """Whether it is not there by itself, neither lent nor closed."""
        return self._opened and not self._lent and not self.is_open

    def wait_open(self, timeout: float = 10.0) -> None:
        """Wait until the port is there. Raises ConsoleError after `timeout` seconds, ConsoleClosed when closed."""
        changed = self._received.changed
        with changed:
            changed.wait_for(lambda: self.is_open or not self._opened or self._lent > 0, timeout)
            self._port_now()

    @contextmanager
    def released(self, timeout: float = 10.0) -> Iterator[str]:
        """Lend the port to a flasher: closes it, gives its URL, and takes it back afterwards. May be nested.

        What the board prints meanwhile is the flasher's. Raises ConsoleError if the port is not back `timeout` seconds
        after the flasher is done; the console goes on waiting for it all the same.
        """
        if not self._opened:
            raise ConsoleClosed(f"the console of {self.board} is not open")
        self._lent += 1
        if self._lent == 1:
            self._reader.stop("lent to another program")
        try:
            yield self._device()
        except BaseException:
            if self._take_back():
                with suppress(ConsoleError):  # what went wrong before is what counts
                    self.wait_open(min(timeout, 3.0))
            raise
        if self._take_back():
            self.wait_open(timeout)

    def _device(self) -> str:
        with self._port_errors():
            return device_of(self.url)

    def _take_back(self) -> bool:
        self._lent -= 1
        if self._lent or not self._opened:
            return False
        self._reader.why_away = "it has not come back from the program that it was lent to"
        self._reader.start(None, "open", "taken back")
        return True

    def _port_state(self, state: str, reason: str | None) -> None:
        if state in ("lost", "closed"):
            self._received.tear()
        self.timeline.record("console", "port", self.board, state=state, reason=reason)
        self._received.observers.port(state)
        self._received.wake()

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, data: str | bytes, *, timeout: float = 10.0, shown: str | None = None) -> None:
        """Send text (as UTF-8) or bytes as they are, and record it. Waits up to `timeout` seconds for a lost port.

        `shown` is recorded in place of what is sent, where that is a secret, or a part of one; for "" nothing is.
        Raises ConsoleError when the port is lost or does not take the data, ConsoleClosed when closed.
        """
        raw = data.encode("utf-8") if isinstance(data, str) else data
        text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
        text = text if shown is None else shown

        def record() -> None:
            if shown != "":
                self.timeline.record("console", "sent", self.board, text=text)

        if not self.is_open:
            self.wait_open(timeout)
        with self._port_errors():
            self._reader.send(self._port_now(), raw, record)

    def send_line(self, text: str, *, timeout: float = 10.0) -> None:
        """Send `text` and a newline, as `send` does."""
        self.send(text + self.newline, timeout=timeout)

    def set_lines(self, *, dtr: bool, rts: bool) -> None:
        """Assert or release the modem lines; what for, reset.py knows. Raises ConsoleError, ConsoleClosed."""
        port = self._port_now()
        try:
            with self._port_errors():
                port.set_lines(dtr=dtr, rts=rts)
        except ConsoleError as error:
            if isinstance(error.__cause__, PortLost):  # who waits for a port next is to wait for the one that comes
                changed = self._received.changed
                with changed:
                    changed.wait_for(lambda: self._reader.port is not port, 2.0)
            raise

    def _port_now(self) -> SerialPort:
        if self._reader.failure:
            raise ConsoleError(f"console of {self.board}: {self._reader.failure}")
        port = self._reader.port
        if port is not None:
            return port
        if not self._opened:
            raise ConsoleClosed(f"the console of {self.board} is not open")
        if self._lent:
            raise ConsoleError(f"the console of {self.board} has lent its port to another program, for now")
        raise ConsoleError(f"the console of {self.board} has lost its port: {self._reader.why_away}")

    @contextmanager
    def _port_errors(self) -> Iterator[None]:
        try:
            yield
        except (PortError, PortNotFound) as error:
            raise ConsoleError(f"console of {self.board}: {error}") from error

    # -- looking -----------------------------------------------------------------------------------------------------

    def mark(self) -> Mark:
        """The place 'now' in this console's stream, for `expect(..., after=mark)` and `lines(after=mark)`."""
        return self._received.mark()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell `observer` of all that comes from now on, after it was recorded. Returns a function that ends it."""
        return self._received.observers.add(observer)

    def expect(self, pattern: Pattern, timeout: float, after: Mark | None = None) -> Seen:
        """Wait up to `timeout` seconds for `pattern` and return the first match.

        Text (or bytes, for what is no UTF-8) is found as soon as its last byte is there, also in an unfinished line
        such as a prompt; line ends in it match any kind of line end. A compiled regular expression is matched within
        one line; if its match reaches the end of an unfinished line, it counts once the line is finished or nothing
        has come for 50 ms, so that a number is not cut short.

        Searches from `after` on, else from the end of what `expect` found last; what it finds is used up to its end.
        Raises NotSeen, which shows the last lines and where the log is; ConsoleClosed when the console is closed.
        """
        if after is not None and not isinstance(after, Mark):
            raise TypeError("after= takes console.mark(); a place on the timeline means nothing to a console")
        deadline = time.monotonic() + timeout
        with self._received.searched(pattern, self._consumed if after is None else after.offset) as waiter:
            turn = self._reader.turn()
            try:
                leads = waiter.found is None and turn.begin()
                found = self._await(waiter, deadline, turn if leads else None)
            finally:
                turn.end()
        if found is None:
            raise NotSeen(self.timeline.redacted(self._not_seen(pattern, timeout)))
        self._consumed = found.end
        return self._received.seen(found)

    def _await(self, waiter: Waiter, deadline: float, turn: Turn | None) -> Found | None:
        while turn is not None:
            left = self._patience(waiter.found, deadline)
            if left <= 0:
                return waiter.found
            if not turn.step(left):
                break
        if turn is not None:
            turn.end()
        changed = self._received.changed
        with changed:
            while True:
                left = self._patience(waiter.found, deadline)
                if left <= 0:
                    return waiter.found
                # At most a second at once: an interrupt that came just before the wait is seen only after it.
                changed.wait(min(left, 1.0))

    def _patience(self, found: Found | None, deadline: float) -> float:
        """How many seconds to wait on, having `found` this; 0 for no longer. Raises if nothing more can come."""
        now = time.monotonic()
        if found is not None:
            return min(self._received.newest + QUIET, deadline) - now if found.open_end else 0
        if not self._opened:
            raise ConsoleClosed(f"the console of {self.board} was closed: nothing more will come")
        if self._reader.failure:
            raise ConsoleError(f"console of {self.board}: {self._reader.failure}")
        return deadline - now

    def lines(self, after: Mark | None = None) -> list[str]:
        """The finished lines so far, from the one that holds `after` on; at most what 64 MiB hold, the newest."""
        return self._received.lines(0 if after is None else after.offset)

    def received(self, after: Mark) -> bytes:
        """What has come from `after` on, an unfinished line included, with LF as line ends: as it is, secrets too."""
        return self._received.since(after.offset)

    @property
    def partial(self) -> str:
        """What has come of a line that is not finished yet."""
        return self._received.partial()

    def last_lines(self, most: int = 20) -> list[str]:
        """The newest lines, an unfinished one included, for messages."""
        return self._received.last_lines(most)

    def _not_seen(self, pattern: Pattern, timeout: float) -> str:
        wanted = repr(pattern.pattern) if isinstance(pattern, re.Pattern) else repr(pattern)
        said = [f"  | {line}" for line in self.last_lines()] or ["  (it has printed nothing at all)"]
        message = [f"{self.board} did not print {wanted} within {timeout:g} s; its last lines:", *said]
        if not self.is_open:
            message.append(f"its port is away: {self._reader.why_away or 'lent to another program'}")
        if self.log is not None:
            message.append(f"full log: {self.log}")
        return "\n".join(message)
