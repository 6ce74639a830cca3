"""Arduino boards with an AVR by avrdude, run as a process of its own: it is GPL, and never imported here.

    flasher = Avrdude(timeline, "uno-a", "/dev/serial/by-id/usb-Arduino...", BOARDS["uno"], console=console)
    flasher.flash([Image(0, Path("sketch.hex"))])

Options and messages are those of avrdude 7.1. The board's bootloader takes part: it starts on a reset through DTR,
which avrdude gives on a local port, and the console on a `net:` port, where avrdude cannot.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil import reset
from hil.console import Console, ConsoleError
from hil.flash import FlashError, FlashResult, Image, check_images
from hil.flash.output import keep, tail
from hil.ports import PortFinder, PortNotFound, device_of
from hil.ports.recognition import Recognition, WrongBoard
from hil.process import Finished, run
from hil.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of board: avrdude's names for chip and protocol, the rates of its bootloaders in bit/s, flash in bytes."""

    part: str
    programmer: str
    bauds: tuple[int, ...]
    flash: int


#: Rates as in boards.txt of Arduino's AVR core: a Nano's bootloader was changed from 57600 to 115200 in 2018.
BOARDS = {
    "uno": Target("m328p", "arduino", (115200,), 32768),
    "nano": Target("m328p", "arduino", (115200, 57600), 32768),
    "nano-old": Target("m328p", "arduino", (57600, 115200), 32768),
    "mega": Target("m2560", "wiring", (115200,), 262144),
}

# What avrdude 7.1 says of each try without an answer: the protocols 'arduino' and 'wiring'. It tries ten times, which
# takes a minute; a bootloader that is there answers at the first or second. The last is said in the midst of a write,
# every five seconds, for ever.
_NO_ANSWER = re.compile(r"not in sync|error: timeout|programmer is not responding")
_ENOUGH = 3

# What it says of answers that came to an earlier question than it thinks: on a busy host they are late, and it never
# catches up. A fresh start of the bootloader has it ask from the beginning.
_OUT_OF_STEP = re.compile(r"protocol expects (?:OK|sync) byte")

# What each failure most often comes from; the first that is found in avrdude's words is told.
_CURES = (
    ("ermission denied", "add yourself to the group dialout, and log in again"),
    ("evice or resource busy", "another program has the port: `fuser -v` on it shows who"),
    ("onnection refused", "nothing listens there: does the program that serves the port run?"),
    ("unable to open port", "is the board plugged in, and its port free? `fuser -v` on the port shows who"),
    ("cannot open port", "is the board plugged in, and its port free? `fuser -v` on the port shows who"),
    ("unable to open programmer", "is the board plugged in, and its port free? `fuser -v` on the port shows who"),
    ("an't open device", "is the board plugged in, and its port free? `fuser -v` on the port shows who"),
    ("xpected signature", "another chip is on this board: name its board or part in the rig's flasher"),
    (
        "nvalid device signature",
        "the bootloader answers badly: name the right programmer and part in the rig's flasher",
    ),
    ("verification error", "flash it again; if it stays, the flash is worn or the supply weak"),
    ("verification mismatch", "flash it again; if it stays, the flash is worn or the supply weak"),
    ("AVR part", "name a part that avrdude knows (`avrdude -p ?`) in the rig's flasher"),
    ("annot find programmer", "name a programmer that avrdude knows (`avrdude -c ?`) in the rig's flasher"),
    ("outside", "the sketch is too large for this board"),
)
_SYNC_CURE = (
    'the bootloader does not answer: wrong rate (old Nanos have 57600: set baud = "auto" in the rig\'s flasher), no '
    "reset (DTR must reach RESET through its capacitor), or no bootloader"
)
_MISMATCH = ("verification error", "verification mismatch", "content mismatch", "mismatch at")
_WRITTEN = re.compile(r"(\d+) bytes? of flash written")
_VERIFIED = re.compile(r"(\d+) bytes? of flash verified")
_MARKS = re.compile(r"(Writing|Reading) \| (#+)")


class Avrdude:
    """avrdude on one port. The parameters are those of `hil.flash.esptool.Esptool`, where they have the same name.

    `port`: a local one, or 'net:host:port'. `bauds`: the rates to try in this order; the one that was answered is kept.
    """

    tool = "avrdude"

    def __init__(
        self,
        timeline: Timeline,
        board: str,
        port: str | PortFinder,
        target: Target,
        *,
        bauds: Sequence[int] = (),
        timeout: float = 120.0,
        silence: float = 15.0,
        attempts: int = 2,
        console: Console | None = None,
        artifacts: Path | None = None,
        command: Sequence[str] = ("avrdude",),
        recognition: Recognition | None = None,
    ) -> None:
        self.timeline = timeline
        self.board = board
        self.port = port
        self.target = target
        self.timeout = timeout
        self.silence = silence
        self.attempts = attempts
        self._bauds = list(bauds or target.bauds)
        self._console = console
        self._artifacts = artifacts
        self._command = list(command)
        self._recognition = recognition
        self._depth = 0
        self._stopped = threading.Event()
        self._enough = threading.Event()

    @property
    def log(self) -> Path | None:
        """Where the tool's output is kept."""
        return None if self._artifacts is None else self._artifacts / f"{self.board}.avrdude.log"

    def stop(self) -> None:
        """See `hil.flash.Flasher`."""
        self._stopped.set()
        self._enough.set()

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Several steps, and one start of the sketch that the console sees whole at the end. Raises FlashError."""
        if self._depth:
            yield
            return
        self._depth = 1
        try:
            yield
        finally:
            self._depth = 0
        if self._console is not None:
            try:
                reset.dtr(self._console)
            except ConsoleError as error:
                raise FlashError(f"board {self.board}: cannot be reset after flashing: {error}") from error

    # -- what it does ----------------------------------------------------------------------------------------------

    def flash(self, images: Sequence[Image], *, force: bool = False, baud: int | None = None) -> FlashResult:
        """See `hil.flash.Flasher`. Sketches are Intel HEX files (.hex), or else taken as they are (.bin)."""
        self._check(images)
        begin, written, skipped, tries = time.monotonic(), 0, 0, 1
        self.timeline.record("flash", "start", self.board, tool=self.tool, images=[str(i.path) for i in images])
        self._recognise()
        with self.session():
            for image in images:
                there = 0 if force else self._there(image, baud)
                skipped += there
                if not there:
                    words = ["-D", "-U", _memory("w", image)]
                    done, attempt = self._avrdude(words, "flashing", baud)
                    found = _WRITTEN.search(done.output)
                    if found is None:
                        raise FlashError(f"board {self.board}: avrdude did not say what it wrote\n{tail(done)}")
                    written, tries = written + int(found[1]), max(tries, attempt)
        result = FlashResult(time.monotonic() - begin, written, skipped, tries, self.log)
        self.timeline.record(
            "flash", "done", self.board, seconds=result.seconds, written=written, skipped=skipped, attempts=tries
        )
        return result

    def _recognise(self) -> None:
        if self._recognition is None:
            return
        try:
            self._recognition.port_says()
        except WrongBoard as error:
            reason = f"{error}; nothing was written"
            self.timeline.record("flash", "failed", self.board, reason=reason, attempt=1)
            raise FlashError(f"board {self.board}: {reason}") from None

    def verify(self, images: Sequence[Image]) -> None:
        """See `hil.flash.Flasher`."""
        self._check(images)
        with self.session():
            for image in images:
                self._avrdude(["-U", _memory("v", image)], "verifying")

    def read(self, offset: int, size: int) -> bytes:
        """See `hil.flash.Flasher`. A bootloader reads the flash as a whole: seconds."""
        if offset < 0 or size < 0 or offset + size > self.target.flash:
            raise ValueError(f"{size} bytes from {offset:#x} on are not within {self.target.flash} bytes of flash")
        with self.session(), tempfile.TemporaryDirectory(prefix="hil-flash-") as folder:
            file = Path(folder) / "flash.bin"
            self._avrdude(["-U", f"flash:r:{file}:r"], "reading")
            # avrdude leaves out what is blank at the end
            return file.read_bytes().ljust(self.target.flash, b"\xff")[offset : offset + size]

    def holds(self, offset: int, data: bytes) -> bool:
        """See `hil.flash.Flasher`. No bootloader makes a digest: this reads the flash."""
        return self.read(offset, len(data)) == data

    def write(self, offset: int, data: bytes) -> None:
        """Not possible. Raises FlashError: settings of a sketch lie in its EEPROM, and are set by its commands."""
        raise FlashError(f"board {self.board}: {self._no_settings()}")

    def erase(self) -> None:
        """Not possible. Raises FlashError: optiboot erases no more than the pages that it writes."""
        raise FlashError(f"board {self.board}: its bootloader cannot erase the flash; flash another sketch")

    def hindrance(self) -> str | None:
        """See `hil.flash.Flasher`: a sketch has no place for settings in flash."""
        return self._no_settings()

    @staticmethod
    def _no_settings() -> str:
        return "an AVR keeps no settings in flash; set provision.method to 'none' and use the sketch's own commands"

    # -- the process -----------------------------------------------------------------------------------------------

    def _there(self, image: Image, baud: int | None) -> int:
        """How many bytes of it lie in flash already: all, or 0."""
        done, _ = self._avrdude(["-U", _memory("v", image)], "comparing", baud, differs=True)
        found = _VERIFIED.search(done.output)
        return int(found[1]) if found is not None and done.code == 0 else 0

    def _check(self, images: Sequence[Image]) -> None:
        check_images(self.board, images)
        for image in images:
            if image.offset:
                raise FlashError(
                    f"board {self.board}: {image.path.name} has offset {image.offset:#x}, expected 0: a sketch's HEX "
                    "file says itself where it goes"
                )

    def _avrdude(
        self, words: list[str], doing: str, baud: int | None = None, *, differs: bool = False
    ) -> tuple[Finished, int]:
        """Run it, at each rate and again if there is no answer. `differs`: another content is no error here."""
        bauds = [baud] if baud else list(self._bauds)
        for attempt in range(1, self.attempts * len(bauds) + 1):
            rate = bauds[(attempt - 1) % len(bauds)]
            done = self._once(words, doing, rate, attempt)
            text = " ".join(done.output.split())
            if done.ended == "exit" and (done.code == 0 or (differs and any(sign in text for sign in _MISMATCH))):
                if not baud:  # this one answers: ask at it first from now on
                    self._bauds.sort(key=lambda known: known != rate)
                return done, attempt
            reason = self._reason(done, rate)
            self.timeline.record("flash", "failed", self.board, reason=reason, attempt=attempt)
            again = done.ended == "silence" or _NO_ANSWER.search(text) or _OUT_OF_STEP.search(text)
            if self._stopped.is_set() or not again:
                break
        log = f"\nfull output: {self.log}" if self.log is not None else ""
        tries = f" ({attempt} attempts)" if attempt > 1 else ""
        raise FlashError(
            f"board {self.board}: {doing} failed{tries}: {reason}\n{self.timeline.redacted(tail(done))}{log}"
        )

    def _once(self, words: list[str], doing: str, baud: int, attempt: int) -> Finished:
        command = [*self._command, "-p", self.target.part, "-c", self.target.programmer, "-P", self._device()]
        command += ["-b", str(baud), *words]
        told, said = [0], [""]
        unanswered: list[str] = []
        self._enough = enough = threading.Event()

        def follow(text: str) -> None:
            unanswered.extend(_NO_ANSWER.findall(text))
            if len(unanswered) >= _ENOUGH:
                enough.set()
            said[0] += text  # a bar comes in pieces
            for found in _MARKS.finditer(said[0]):
                percent = 2 * len(found[2])
                if doing == "flashing" and found[1] == "Writing" and percent > told[0]:
                    told[0] = percent
                    self.timeline.record("flash", "progress", self.board, offset=0, percent=float(percent))

        if self._stopped.is_set():
            raise FlashError(f"board {self.board}: {doing} was stopped: the bench closes")
        try:
            if self._console is not None and str(self.port).startswith("net:"):
                reset.dtr(self._console)
            with contextlib.nullcontext() if self._console is None else self._console.released():
                done = run(
                    command,
                    timeout=self.timeout,
                    silence=self.silence,
                    on_output=follow,
                    merge=True,
                    stop=enough,
                )
        except ConsoleError as error:
            raise FlashError(f"board {self.board}: its port cannot be borrowed and given back: {error}") from error
        except OSError as error:
            raise FlashError(
                f"board {self.board}: {self._command[0]} cannot be started ({error}); install it: apt-get install "
                "avrdude"
            ) from error
        keep(self.log, self.timeline, command, done, attempt)
        return done

    def _device(self) -> str:
        """Where the port is now: it may have come back under another name. Raises FlashError."""
        try:
            return device_of(self.port)
        except PortNotFound as error:
            raise FlashError(f"board {self.board}: {error}") from None

    def _reason(self, done: Finished, baud: int) -> str:
        text = " ".join(done.output.split())
        if done.ended == "time-out":
            what = f"avrdude was not done after {self.timeout:g} s and has been ended"
        elif self._stopped.is_set():
            what = "avrdude was stopped: the bench closes"
        elif done.ended == "silence":
            what = f"no answer at {baud} bit/s for {self.silence:g} s; {_SYNC_CURE}"
        elif _NO_ANSWER.search(text):
            what = f"not in sync at {baud} bit/s; {_SYNC_CURE}"
        else:
            errors = [line for line in done.output.splitlines() if "error" in line.lower() and "ioctl" not in line]
            what = (errors[0] if errors else done.last_words).strip().rstrip(".!") + f" (exit code {done.code})"
            cure = next((cure for sign, cure in _CURES if sign in text), None)
            what += f"; {cure}" if cure else ""
        return self.timeline.redacted(what)


def _memory(action: str, image: Image) -> str:
    return f"flash:{action}:{image.path}:{'i' if image.path.suffix.lower() in ('.hex', '.ihex') else 'r'}"
