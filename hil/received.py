"""What a console has received: recorded on the timeline and in the log, kept, and searched as it comes.

The thread that reads the port gives it bytes; other threads look at what is kept, and wait for more. One lock, that of
`Received.changed`, is around the stream and those who search it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hil.boot import BOOT_SIGN, BootLines
from hil.expecting import Seen, Waiter
from hil.lines import LONGEST_LINE, Found, Mark, Pattern, Search, Stream
from hil.observing import Observers
from hil.rawlog import RawLog, Redactor
from hil.timeline import Event, Timeline


class Received:
    """What the console of `board` has received. `changed` is notified when a search has found something, and by `wake`.

    `newest`: when the newest bytes came, in monotonic seconds. `observers` are told of all that comes, as it is.
    """

    def __init__(self, timeline: Timeline, board: str) -> None:
        self.changed = threading.Condition()
        self.newest = 0.0
        self.observers = Observers()
        self._timeline = timeline
        self._board = board
        self._boots = BootLines()
        self._redactor = Redactor(lambda: timeline.secrets)
        self._log: RawLog | None = None
        self._stream = Stream()
        self._searches: list[Waiter] = []

    def start_log(self, path: Path) -> None:
        """Append all bytes that come from now on to the file at `path`, but for secrets."""
        if self._log is None:
            self._log = RawLog(path, self._redactor)

    def end_log(self) -> None:
        """Close the log, if there is one."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def wake(self) -> None:
        """Have all who wait for something look whether it still can come."""
        with self.changed:
            self.changed.notify_all()

    # -- what the reader brings --------------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Bytes, as they came from the port. Called by whoever reads it, one at a time."""
        if self._log is not None:
            self._log.write(data)
        whole, partial = self._stream.feed(data)
        self._add(whole, partial)
        self.observers.received(whole)
        if len(partial) > LONGEST_LINE:
            cut = len(partial) - self._redactor.unsure(partial)
            self._add(partial[:cut], partial[cut:])
            self.observers.received(partial[:cut])

    def tear(self) -> None:
        """The port is gone: the unfinished line is whole now, nothing comes after it. Called like `take`."""
        if self._log is not None:
            self._log.settle()
        torn = self._stream.partial
        whole, partial = self._stream.finish()
        self._add(self._redactor.settle(whole), partial)
        self.observers.received(torn)

    def _add(self, whole: bytes, partial: bytes) -> None:
        """Record whole lines as events, then show lines and unfinished line to those who expect something."""
        pieces = self._recorded(whole) if whole else []
        with self.changed:
            for piece, first_event in pieces:
                self._stream.keep(piece, first_event)
            self._stream.partial = partial
            self.newest = time.monotonic()
            if any([waiter.step(self._stream) for waiter in self._searches]):
                self.changed.notify_all()

    def _recorded(self, whole: bytes) -> list[tuple[bytes, int]]:
        """Record `whole` in as many pieces as it takes to put each boot event behind its line."""
        pieces = []
        while whole:
            cut = len(whole)
            boot = None
            sign = BOOT_SIGN.search(whole)
            if sign is not None:
                cut = whole.find(b"\n", sign.start()) + 1 or len(whole)
                line = whole[whole.rfind(b"\n", 0, cut - 1) + 1 : cut].rstrip(b"\n").decode("utf-8", "backslashreplace")
                boot = self._boots.read(line)
            piece, whole = whole[:cut], whole[cut:]
            text = piece.removesuffix(b"\n").decode("utf-8", "backslashreplace")
            pieces.append((piece, self._timeline.record_lines("console", "line", self._board, text).start))
            if boot is not None:
                self._timeline.record("board", "boot", self._board, cause=boot.cause, name=boot.name, line=boot.line)
        return pieces

    # -- searching ---------------------------------------------------------------------------------------------------

    @contextmanager
    def searched(self, pattern: Pattern, offset: int) -> Iterator[Waiter]:
        """Inside, what is kept from `offset` on and all that comes is searched for `pattern`, until it is found."""
        waiter = Waiter(Search(pattern, offset))
        with self.changed:
            waiter.step(self._stream)
            self._searches.append(waiter)
        try:
            yield waiter
        finally:
            with self.changed:
                self._searches.remove(waiter)

    def seen(self, found: Found) -> Seen:
        """What a search has found, with the event of its line."""
        last = max(found.start, found.end - 1)

        def event() -> Event | None:
            with self.changed:
                number = self._stream.event_at(last)
            return None if number is None else self._timeline.events(after=number, before=number + 1)[0]

        return Seen(found.text, found.groups, found.named, Mark(found.end), event)

    # -- looking -----------------------------------------------------------------------------------------------------

    def mark(self) -> Mark:
        """The place behind the newest byte."""
        with self.changed:
            return Mark(self._stream.end)

    def lines(self, offset: int) -> list[str]:
        """The finished lines that are kept, from the one that holds `offset` on; secrets blanked."""
        with self.changed:
            ranges = list(self._stream.events(offset))
        return [e["text"] for r in ranges for e in self._timeline.events(after=r.start, before=r.stop)]

    def since(self, offset: int) -> bytes:
        """The bytes that are kept, from `offset` on, an unfinished line included: as they are, secrets too."""
        with self.changed:
            return self._stream.since(offset)

    def partial(self) -> str:
        """The unfinished line, without what might yet become a secret."""
        with self.changed:
            data = self._stream.partial
        data = data[: len(data) - self._redactor.unsure(data)]
        return self._timeline.redacted(data.decode("utf-8", "backslashreplace"))

    def last_lines(self, most: int) -> list[str]:
        """The newest lines, an unfinished one included; secrets blanked."""
        with self.changed:
            size = len(self._stream.partial)
            begin = max(self._stream.start, self._stream.end - size - 256 * most)
            data = self._stream.since(begin)
        if begin > self._stream.start:
            data = data[data.find(b"\n") + 1 :]  # half a line may show half a secret
        text = self._timeline.redacted(data[: len(data) - size].decode("utf-8", "backslashreplace"))
        lines = text.removesuffix("\n").split("\n") if text else []
        return (lines + ([self.partial()] if size else []))[-most:]
