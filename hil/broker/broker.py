"""What every broker of the bench has in common, and the child process that two of them are."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from hil.guardian import mark
from hil.timeline import Timeline

Attribution = Callable[[int], "str | None"]
"""From the local port that the broker sees a client coming from to the board whose connection it is."""

_STOP_PATIENCE = 5.0
"""Seconds that a broker gets to end after SIGTERM."""


class BrokerError(Exception):
    """A broker cannot be started or reached. The message says what was found and what helps."""


class Broker(Protocol):
    """A message broker.

    `kind`: 'mosquitto', 'embedded' or 'external'. `capabilities`, of these words:

    - 'mqtt5': speaks MQTT 5 as well as 3.1.1.
    - 'will-on-keep-alive': publishes the will of a client that fell silent, behind the gateway or without it.
    - 'will-on-takeover': publishes the will of a clean session's client whose id another one takes over.
    - 'persistent-sessions': keeps subscriptions and messages for a client that asked for it.
    - 'retain': keeps retained messages.
    - 'log': its log is on the timeline.
    """

    @property
    def kind(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def capabilities(self) -> frozenset[str]: ...
    def start(self) -> None: ...
    def close(self) -> None: ...


class LogAttribution:
    """Finds out whose a line of the broker's log is.

    Brokers name a client's address and port once, when it connects, and its client id from then on. `whose` learns
    the ids from the lines that hold both.
    """

    def __init__(self, connected: re.Pattern[str], address: re.Pattern[str], continued: re.Pattern[str]) -> None:
        """`connected` has the groups `port` and `id`; `address` has the group `port`. A line that begins like
        `continued` goes on about what the line before it was about."""
        self._connected = connected
        self._address = address
        self._continued = continued
        self._previous: str | None = None
        self._ids: OrderedDict[str, tuple[re.Pattern[str], str]] = OrderedDict()
        self.board_of_port: Attribution | None = None

    def whose(self, line: str) -> str | None:
        """The board that this line is about, or None."""
        if self.board_of_port is None:
            return None
        if not self._continued.match(line):
            self._previous = self._find(line, self.board_of_port)
        return self._previous

    def _find(self, line: str, board_of_port: Attribution) -> str | None:
        if (match := self._address.search(line)) is not None:
            board = board_of_port(int(match["port"]))
            if board is not None and (named := self._connected.search(line)) is not None:
                self._learn(named["id"], board)
            if board is not None:
                return board
        for pattern, board in self._ids.values():
            if pattern.search(line):
                return board
        return None

    def _learn(self, client_id: str, board: str) -> None:
        self._ids.pop(client_id, None)
        self._ids[client_id] = (re.compile(rf"(?<![\w./-]){re.escape(client_id)}(?![\w/-])"), board)
        while len(self._ids) > 256:
            self._ids.popitem(last=False)


class Child:
    """A broker's process: its output goes line by line to `line`, its end to `ended` with the exit status.

    It dies with this process where util-linux's setpriv is there to arrange that. The kernel ties this to the thread
    that starts it, so it is arranged only in the main thread, which lives as long as the process.
    """

    def __init__(
        self,
        command: Sequence[str],
        line: Callable[[str], None],
        ended: Callable[[int], None],
        *,
        keep_stdin: bool = False,
    ) -> None:
        prefix: list[str] = []
        setpriv = shutil.which("setpriv")
        if setpriv and threading.current_thread() is threading.main_thread():
            prefix = [setpriv, "--pdeathsig", "TERM"]
        self._process = subprocess.Popen(
            [*prefix, *command],
            stdin=subprocess.PIPE if keep_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=mark.environment(),
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle, and ends it in order
        )
        self._line = line
        self._ended = ended
        self._reader = threading.Thread(target=self._read, name="hil-broker-log", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; returns when it has ended and its last line has been read."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_STOP_PATIENCE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for raw in output:
                self._line(raw.decode("utf-8", "backslashreplace").rstrip("\r\n"))
        self._ended(self._process.wait())


# The monitor's own traffic: what it sees is on the timeline already, and `$SYS` alone makes a hundred lines at a time.
_MONITORS_TRAFFIC: Final = re.compile(
    r"(PUBLISH|PUBACK|PUBREC|PUBREL|PUBCOMP|PINGREQ|PINGRESP)\b.*\bhil-(monitor|retained)-"
)


def record_log(timeline: Timeline, attribution: LogAttribution, text: str, *, others: bool = True) -> None:
    """Put a line of the broker's log on the timeline, for the board it is about; `others`: also one about no board."""
    if _MONITORS_TRAFFIC.search(text):
        return
    board = attribution.whose(text)
    if board is not None or others:
        timeline.record("broker", "log", board, text=text)
