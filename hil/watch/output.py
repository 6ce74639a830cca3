"""How the screen reaches its terminal: no faster than the terminal takes it, and in ASCII where that is all it knows.

Textual's own way waits in the middle of the screen's work where a terminal takes nothing: a key, or a signal that is to
end it, would wait as long. And where the terminal is gone it may wait for ever.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from rich.cells import get_character_cell_size
from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

PATIENCE = 2.0
"""Seconds that a terminal has at the end to take what gives it back; then it is left without."""

LOST = 30.0
"""Seconds after which an answer of the terminal is taken for lost."""

STUCK = 0.1
"""Seconds after which a thread that waits for the terminal looks whether it is to end."""

AT_ONCE = 4096
"""Bytes that are given to the kernel at once: what it has it keeps, and they are shown late."""

_KITTY = ("\x1b[>", "\x1b[<u")
"""Ask for another coding of keys (kitty's protocol). Nothing here needs it, and not every terminal leaves it unseen."""

_PLAIN = {
    **{"▸": ">", "▶": ">", "■": "#", "‖": "=", "↑": "^", "↓": "v", "…": "~", "●": "*", "»": ">", "·": "."},
    **{"┃": "|", "━": "=", "─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "█": "#"},
    **dict(zip("▁▂▃▄▅▆▇", "..::**#", strict=True)),
}


def only_ascii(env: Mapping[str, str]) -> bool:
    """Whether a terminal is to be shown nothing but ASCII: its locale is not one of UTF-8, or it is a DEC terminal.

    As tmux and others tell it: by the first of LC_ALL, LC_CTYPE and LANG that is set; none is the locale C.
    """
    locale = next((env[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if env.get(name)), "C")
    return "utf8" not in locale.lower().replace("-", "") or env.get("TERM", "").startswith("vt")


def as_ascii(text: str) -> str:
    """`text` in ASCII, in as many cells: a sign that looks alike, or question marks."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else _PLAIN.get(c) or "?" * get_character_cell_size(c) for c in text)


class Output:
    """Writes to a terminal in a thread. `write` returns at once; what is written once it is gone is lost.

    `gave_up`: it was closed with something left that the terminal would not take.
    """

    def __init__(self, descriptor: int) -> None:
        self.gave_up = False
        self._descriptor = _opened(descriptor)
        self._waiting: deque[bytes] = deque()
        self._writing = False
        self._gone = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="hil-watch-output", daemon=True)
        self._thread.start()

    @property
    def behind(self) -> bool:
        """Whether the terminal has not yet taken all that was written."""
        return self._writing or bool(self._waiting)

    def write(self, data: bytes) -> None:
        """Have it written behind what waits already."""
        with self._changed:
            if not self._gone:
                self._waiting.append(data)
                self._changed.notify_all()

    def close(self, patience: float = PATIENCE) -> None:
        """Wait until all is written, but no longer than `patience` seconds; then the rest is thrown away."""
        with self._changed:
            written = self._changed.wait_for(lambda: not self.behind, patience)
            self.gave_up = self.gave_up or not written
            self._gone = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            while data := self._next():
                while data and not self._gone:
                    if select.select([], [self._descriptor], [], STUCK)[1]:
                        data = data[os.write(self._descriptor, data[:AT_ONCE]) :]
        except OSError:  # EIO: the terminal is gone, which SIGHUP says too
            self.gave_up = True
        with self._changed:
            self._gone, self._writing = True, False
            self._waiting.clear()
            self._changed.notify_all()
        os.close(self._descriptor)

    def _next(self) -> bytes:
        """All that waits, once something does; nothing at the end."""
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._gone)
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._writing = bool(data)
            return data


def _opened(descriptor: int) -> int:
    """The same terminal, opened once more: others who have it open would be surprised if writing did not wait."""
    try:
        return os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:  # another user's, as behind su
        return os.dup(descriptor)


class Pace:
    """Whether the terminal has shown what was drawn: it is asked where its cursor is behind each drawing.

    Between a program and a terminal over ssh lie buffers that hold minutes of a slow line. A terminal that has never
    answered is not waited for. Times in seconds of time.monotonic().
    """

    def __init__(self) -> None:
        self._answers = False
        self._asked: float | None = None
        self._answered = threading.Event()

    def asks(self, now: float) -> bool:
        """Whether it is to be asked now; then it is."""
        if self._asked is not None and now < self._asked + LOST:
            return False
        self._asked = now
        self._answered.clear()
        return True

    def answered(self) -> None:
        """It has shown all that stood before the question. From any thread."""
        self._answers, self._asked = True, None
        self._answered.set()

    def waits(self, now: float) -> bool:
        """Whether more would come before what was drawn is shown."""
        asked = self._asked
        return self._answers and asked is not None and now < asked + LOST

    def settle(self, patience: float) -> None:
        """Wait for an answer that is still to come: whoever has the terminal next would take it for what is typed."""
        if self._answers and self._asked is not None:
            self._answered.wait(patience)


class TerminalDriver(LinuxDriver):
    """Textual's driver, with `Output` in place of its thread, and with `Pace`."""

    encode: Callable[[str], str] = staticmethod(lambda text: text)

    def start_application_mode(self) -> None:
        """Begin, also again behind Ctrl-Z."""
        stream = sys.__stderr__
        assert stream is not None
        stream.flush()
        self._output = Output(stream.fileno())
        self._pace = Pace()
        self._drawn = False
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        """End, or stop for Ctrl-Z."""
        self._pace.settle(0 if self._output.gave_up else PATIENCE / 2)
        super().stop_application_mode()

    def write(self, data: str) -> None:
        """Have a part of the screen written."""
        if not data.startswith(_KITTY):
            self._drawn = True
            self._output.write(self.encode(data).encode("utf-8", "replace"))

    def ask(self) -> None:
        """Ask whether what was drawn is shown, if anything was (ECMA-48, DSR for the cursor's position)."""
        if self._drawn and self._pace.asks(time.monotonic()):
            self._drawn = False
            self._output.write(b"\x1b[6n")

    def process_message(self, message: Message) -> None:
        """Take what the terminal says; runs in the thread that reads from it."""
        if isinstance(message, events.CursorPosition):
            self._pace.answered()
        else:
            super().process_message(message)

    @property
    def behind(self) -> bool:
        """Whether the terminal has not yet shown all that was drawn: more would only make it later."""
        return self._output.behind or self._pace.waits(time.monotonic())

    @property
    def gave_up(self) -> bool:
        """Whether the terminal was gone, or took nothing, at the end."""
        return self._output.gave_up

    def close(self) -> None:
        """End, within PATIENCE whatever the terminal does."""
        self._output.close()
        super().close()


class AsciiDriver(TerminalDriver):
    """The same for a terminal that knows ASCII alone."""

    encode = staticmethod(as_ascii)
