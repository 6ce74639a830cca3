"""A terminal for tests: a program behind a pseudo-terminal, and the screen that it draws, kept by pyte."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence

import pyte

#: Seconds that a screen may take to show what is waited for: a cold start of Python on a busy machine takes many.
LONG = 180.0

# What pyte does not know and would print: kitty's keyboard protocol, and questions for modes (DECRQM).
_UNKNOWN = re.compile(rb"\x1b\[[<>][0-9;]*u|\x1b\[\?[0-9;]*\$p")
_UNFINISHED = re.compile(rb"\x1b[^a-zA-Z\x07]*\Z")


class Terminal:
    """`raw` is everything that the program wrote. `answers`: it says where its cursor is when it is asked.

    `answered`: how often it has done so.
    """

    def __init__(
        self, command: Sequence[str], *, columns: int = 80, lines: int = 24, env: Mapping[str, str] = {}
    ) -> None:
        self.raw = self._held = b""
        self.answers = False
        self.answered = 0
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        # pytest-xdist tells its workers how wide its own terminal is; here the terminal says it, and may change.
        # As a person has it: the size is the terminal's, and what is written is held back until it is flushed.
        theirs = ("COLUMNS", "LINES", "PYTHONUNBUFFERED")
        inherited = {name: value for name, value in os.environ.items() if name not in theirs}
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**inherited, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **env},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def press(self, keys: str) -> None:
        """Type, as fast as a program can."""
        os.write(self._master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """As when a window is dragged: the kernel tells the program by SIGWINCH."""
        self.screen.resize(lines, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, *wanted: str, without: str = "", within: float = LONG) -> str:
        """Wait until the screen shows all of these regular expressions, and not `without`; returns the screen's text.

        All in one call: a screen is drawn part by part.
        """
        deadline = time.monotonic() + within
        while not self._shows(wanted, without):
            left = deadline - time.monotonic()
            assert left > 0, f"not on the screen within {within:g} s: {wanted}\n{self.text}"
            if not self._read(left):
                assert self._shows(wanted, without), f"the program ended without: {wanted}\n{self.text}"
        return self.text

    def answer(self, times: int, within: float = LONG) -> None:
        """Wait until it has answered so often; the program asks again only once it has taken the answer before."""
        deadline = time.monotonic() + within
        while self.answered < times:
            left = deadline - time.monotonic()
            assert left > 0, f"asked {self.answered} times within {within:g} s"
            assert self._read(left), f"the program ended\n{self.text}"

    def _shows(self, wanted: Sequence[str], without: str) -> bool:
        text = self.text
        return all(re.search(one, text) for one in wanted) and not (without and re.search(without, text))

    def ended(self, within: float = LONG) -> int:
        """Wait until the program ends; its exit code."""
        deadline = time.monotonic() + within
        while self._read(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline, f"still running after {within:g} s\n{self.text}"
        return self.process.wait(within)

    def _read(self, within: float) -> bool:
        """Take what the program has written, waiting for it; False once it has ended and all is read."""
        if not select.select([self._master], [], [], within)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            return False
        self.raw += data
        data = self._held + data
        torn = _UNFINISHED.search(data)
        data, self._held = (data[: torn.start()], data[torn.start() :]) if torn else (data, b"")
        self._stream.feed(_UNKNOWN.sub(b"", data))
        if self.answers:
            for _ in range(data.count(b"\x1b[6n")):
                self.press("\x1b[1;1R")
                self.answered += 1
        return True

    def hang_up(self) -> None:
        """As when a connection over ssh is lost: the terminal is gone, and the kernel says so by SIGHUP."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        """End the program, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self._master >= 0:
            os.close(self._master)


@contextlib.contextmanager
def terminal(command: Sequence[str], **options: object) -> Iterator[Terminal]:
    """A terminal, closed at the end whatever happens."""
    opened = Terminal(command, **options)  # type: ignore[arg-type]
    try:
        yield opened
    finally:
        opened.close()
