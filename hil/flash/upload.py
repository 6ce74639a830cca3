"""What tools have in common that upload a whole program and can do nothing else: no reading, no erasing.

The board restarts by itself afterwards. What lies in its flash cannot be asked, so it is written each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.console import Console, ConsoleError
from hil.flash import FlashError, FlashResult, Image
from hil.flash.output import keep, tail
from hil.ports import PortFinder, PortNotFound, device_of
from hil.ports.recognition import Recognition, WrongBoard
from hil.process import Finished, run
from hil.timeline import Timeline

#: What a failure most often comes from: words of the tool, and the cure.
Cures = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """A board and who may use its port.

    `timeout`: for a whole run of the tool, and `silence`: without any output, both in seconds. `console`: who has the
    port; it is borrowed. `artifacts`: where the output is kept. `command`: what is run, in place of the tool's name.
    `recognition` judges whose port it is before anything is written.
    """

    timeline: Timeline
    board: str
    port: str | PortFinder
    timeout: float = 120.0
    silence: float = 120.0
    console: Console | None = None
    artifacts: Path | None = None
    command: Sequence[str] = ()
    recognition: Recognition | None = None


class Uploader:
    """A tool on one line. A kind of tool gives `tool`, what else is here, and `upload`.

    `program`: what is run; `package`: how it is installed.
    """

    tool = ""
    program = ""
    package = ""
    cures: Cures = ()

    def __init__(self, line: Line) -> None:
        self.timeline = line.timeline
        self.board = line.board
        self._port = line.port
        self.timeout = line.timeout
        self.silence = line.silence
        self.log = None if line.artifacts is None else line.artifacts / f"{line.board}.{self.tool}.log"
        self.stopped = threading.Event()
        self._command = list(line.command or [self.program])
        self._console = line.console
        self._recognition = line.recognition

    @property
    def port(self) -> str:
        """Where the port is now: it may have come back under another name. Raises FlashError."""
        try:
            return device_of(self._port)
        except PortNotFound as error:
            raise self.error(str(error)) from None

    def _recognise(self) -> None:
        if self._recognition is not None:
            try:
                self._recognition.port_says()
            except WrongBoard as error:
                raise self.error(f"{error}; nothing was written") from None

    def upload(self, image: Image) -> None:
        """Put this image onto the board, whose port is free meanwhile. Raises FlashError."""
        raise NotImplementedError

    # -- the interface of hil.flash.Flasher ------------------------------------------------------------------------

    @contextmanager
    def session(self) -> Iterator[None]:
        """See `hil.flash.Flasher`. There is nothing to keep the board for between two uploads."""
        yield

    def flash(self, images: Sequence[Image], *, force: bool = False, baud: int | None = None) -> FlashResult:
        """See `hil.flash.Flasher`. It has to be one image; `force` changes nothing, and no rate can be chosen."""
        image = self._one(images)
        begin = time.monotonic()
        self.timeline.record("flash", "start", self.board, tool=self.tool, images=[str(image.path)])
        try:
            self._recognise()
            if self._console is None:
                self.upload(image)
            else:
                with self._console.released():
                    self.upload(image)
        except ConsoleError as error:
            raise FlashError(f"board {self.board}: its port cannot be borrowed and given back: {error}") from error
        except FlashError as error:
            self.timeline.record("flash", "failed", self.board, reason=str(error).split("\n")[0], attempt=1)
            raise
        seconds, written = time.monotonic() - begin, image.path.stat().st_size
        self.timeline.record("flash", "done", self.board, seconds=seconds, written=written, skipped=0, attempts=1)
        return FlashResult(seconds, written, 0, 1, self.log)

    def read(self, offset: int, size: int) -> bytes:
        """Not possible. Raises FlashError."""
        raise self.error(f"{self.tool} cannot read the flash; {_METHOD}")

    def holds(self, offset: int, data: bytes) -> bool:
        """See `hil.flash.Flasher`. Raises FlashError: what only writes cannot look."""
        return self.read(offset, len(data)) == data

    def write(self, offset: int, data: bytes) -> None:
        """Not possible. Raises FlashError."""
        raise self.error(f"{self.tool} cannot write single sectors; {_METHOD}")

    def erase(self) -> None:
        """Not possible. Raises FlashError."""
        raise self.error(f"{self.tool} cannot erase alone; flash another program")

    def verify(self, images: Sequence[Image]) -> None:
        """Not possible. Raises FlashError."""
        raise self.error(f"{self.tool} cannot compare what is there; flash it again")

    def hindrance(self) -> str | None:
        """See `hil.flash.Flasher`."""
        return f"{self.tool} cannot read and write parts of the flash; {_METHOD}"

    def stop(self) -> None:
        """See `hil.flash.Flasher`."""
        self.stopped.set()

    # -- for the tools ---------------------------------------------------------------------------------------------

    def error(self, words: str) -> FlashError:
        """An error of this board."""
        return FlashError(f"board {self.board}: {words}")

    def run(self, words: Sequence[str]) -> Finished:
        """Run the tool with these arguments. Raises FlashError, with the cure, if it does not end well."""
        done = self.try_run(words)
        if done.ended != "exit" or done.code:
            raise self.failed(done)
        return done

    def try_run(self, words: Sequence[str]) -> Finished:
        """Run the tool, however it ends. Raises FlashError if it cannot be started."""
        if self.stopped.is_set():
            raise self.error("flashing was stopped: the bench closes")
        command = [*self._command, *words]
        try:
            done = run(command, timeout=self.timeout, silence=self.silence, merge=True, stop=self.stopped)
        except OSError as error:
            raise self.error(f"{command[0]} cannot be started ({error}); install it: {self.package}") from error
        keep(self.log, self.timeline, command, done)
        return done

    def failed(self, done: Finished) -> FlashError:
        """What became of a run that did not end well."""
        text = " ".join(done.output.split())
        if done.ended == "time-out":
            why = f"{self.tool} was not done after {self.timeout:g} s and has been ended"
        elif done.ended == "silence":
            why = f"{self.tool} had said nothing for {self.silence:g} s and has been ended"
        elif done.ended == "stopped":
            why = f"{self.tool} was stopped: the bench closes"
        else:
            why = f"{done.last_words.rstrip('.')} (exit code {done.code})"
        cure = next((cure for sign, cure in self.cures if sign in text), None)
        log = f"\nfull output: {self.log}" if self.log is not None else ""
        words = f"flashing failed: {why}" + (f"; {cure}" if cure else "")
        return self.error(self.timeline.redacted(f"{words}\n{tail(done)}") + log)

    def _one(self, images: Sequence[Image]) -> Image:
        if len(images) != 1:
            raise self.error(f"found {len(images)} images, expected one: {self.tool} takes a whole program")
        (image,) = images
        if not image.path.is_file():
            raise self.error(f"image {image.path} does not exist: build it first")
        if image.offset:
            raise self.error(f"{image.path.name} has offset {image.offset:#x}, expected 0: {self.tool} knows its place")
        return image


_METHOD = "set provision.method to 'none', 'console' or 'constants'"
