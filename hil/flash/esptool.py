"""Espressif chips by esptool, run as a process of its own: it is GPL, and never imported here.

    flasher = Esptool(timeline, "esp32-a", "/dev/serial/by-id/usb-...", "esp32", console=console)
    flasher.flash([Image(0x1000, bootloader), Image(0x8000, table), Image(0x10000, app)])

Options and messages are those of esptool 5.6. It compares an MD5 of what it wrote by itself ('Hash of data verified'),
and with --skip-flashed before writing, too.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hil import reset
from hil.console import Console, ConsoleError
from hil.flash import SECTOR, FlashError, FlashResult, Image, check_images, esptool_security
from hil.flash import esptool_failures as failures
from hil.flash.esptool_environment import FIRST_RATE, environment
from hil.flash.identity import Identity, identity_of
from hil.flash.output import keep, tail
from hil.flash.private_file import private_file
from hil.flash.progress import ProgressBar
from hil.flash.security import NO_PARTITIONS, Security
from hil.ports import PortFinder, PortNotFound, device_of
from hil.ports.recognition import Recognition, WrongBoard
from hil.process import Finished, run
from hil.timeline import Timeline, where
from hil.wiring import USB_UART, Wiring
from hil.wiring.kinds import HAS_WATCHDOG_RESET

_WRITTEN = re.compile(r"Wrote (\d+) bytes")
_COMPARED = "Hash of data verified"
_SKIPPED = re.compile(r"0x([0-9a-fA-F]+)\s+already\s+in\s+flash")

_WRITING = ("flashing", "writing", "erasing")  # what is done in runs that change the flash


class Esptool:
    """esptool on one port.

    `chip`: its name for esptool, or 'auto'. `baud`: while flashing. `timeout`: for a whole run of the tool, and
    `silence`: without any output, both in seconds. `attempts`: how often to try when the connection fails, each with a
    fresh reset. `console`: who has the port; it is borrowed, and the board reset by it afterwards so that the console
    sees the boot from its first byte; without one, esptool resets the board. `artifacts`: where the output is kept.
    `before_retry` is called between attempts: to power-cycle a board whose port has no reset lines, for one.
    `recognition` judges who the chip says that it is, before anything is written.
    """

    tool = "esptool"

    def __init__(
        self,
        timeline: Timeline,
        board: str,
        port: str | PortFinder,
        chip: str = "auto",
        *,
        baud: int = 460800,
        timeout: float = 300.0,
        silence: float = 60.0,
        attempts: int = 3,
        console: Console | None = None,
        artifacts: Path | None = None,
        command: Sequence[str] = (sys.executable, "-m", "esptool"),
        wiring: Wiring | None = None,
        options: Sequence[str] = (),
        before_retry: Callable[[], object] | None = None,
        show_progress: bool | None = None,
        recognition: Recognition | None = None,
    ) -> None:
        self.timeline = timeline
        self.board = board
        self.port = port
        self.chip = chip
        self.baud = baud
        self.timeout = timeout
        self.silence = silence
        self.attempts = attempts
        self._console = console
        self._artifacts = artifacts
        self._command = list(command)
        self._wiring = wiring or (console.wiring if console is not None else USB_UART)
        self._options = list(options)
        self._before_retry = before_retry
        self._show_progress = show_progress
        self._depth = 0
        self._stopped = threading.Event()
        self._security: Security | None = None
        self._recognition = recognition
        self._met: int | None = None
        self._used = False

    def stop(self) -> None:
        """End the tool that another thread has running, and start none any more."""
        self._stopped.set()

    @property
    def log(self) -> Path | None:
        """Where the tool's output is kept."""
        return None if self._artifacts is None else self._artifacts / f"{self.board}.esptool.log"

    # -- sessions ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Keep the board in download mode for several steps; reset it at the end. May be nested. Raises FlashError."""
        if self._depth:
            yield
            return
        self._depth = 1
        try:
            with self._lent():
                yield
                if self._used and self._wiring.leaving == "watchdog":
                    self._leave_by_watchdog()
        except ConsoleError as error:
            raise FlashError(f"board {self.board}: its port cannot be borrowed and given back: {error}") from error
        except BaseException:
            # What went wrong before is what counts.
            with contextlib.suppress(ConsoleError):
                if self._console is not None:
                    reset.hard(self._console)
            raise
        finally:
            self._depth = 0
        try:
            self._run_again()
        except ConsoleError as error:
            raise FlashError(f"board {self.board}: cannot be reset after flashing: {error}") from error

    @contextlib.contextmanager
    def _lent(self) -> Iterator[None]:
        self._used = self._wiring.goes_first
        if self._console is None:
            yield
            return
        if self._wiring.goes_first:
            # Its port goes away as the loader starts, and another one comes: esptool would lose it in the middle.
            reset.download(self._console)
            self._console.wait_open()
        with self._console.released():
            yield

    def _leave_by_watchdog(self) -> None:
        """Have the chip's own watchdog reset it: no line of its port does, or none that reads the straps again."""
        if self.chip in HAS_WATCHDOG_RESET:
            self._esptool(["chip-id"], "leaving the loader", after="watchdog-reset")
        else:
            reason = f"no line of its port resets it, and esptool cannot have an {self.chip} do it: press its button"
            self.timeline.record("flash", "not-reset", self.board, reason=reason)

    def _run_again(self) -> None:
        if self._console is not None and self._wiring.leaving == "lines":
            reset.hard(self._console)

    # -- what it does ------------------------------------------------------------------------------------------------

    def flash(
        self,
        images: Sequence[Image],
        *,
        force: bool = False,
        baud: int | None = None,
        verify: bool = False,
        erase_all: bool = False,
    ) -> FlashResult:
        """Write `images`, but for those that lie in flash already (`force`: these too). Raises FlashError.

        Images that the chip could not start (see `security`) are refused before anything is written.
        `baud`: in place of the usual one. `verify` reads all of it back once more; `erase_all` erases all flash first.
        """
        check_images(self.board, images)
        names = [f"{image.offset:#x} {image.path.name}" for image in images]
        self.timeline.record("flash", "start", self.board, tool=self.tool, images=names)
        arguments = ["write-flash"]
        arguments += ["--erase-all"] if erase_all else []
        arguments += [] if force or erase_all else ["--skip-flashed"]
        start = time.monotonic()
        with self.session():
            self._meet()
            hindrance = self.security().hinders_flashing(images)
            if hindrance is not None:
                self.timeline.record("flash", "failed", self.board, reason=hindrance, attempt=1)
                raise FlashError(f"board {self.board}: {hindrance}; nothing was written")
            done, attempt = self._esptool([*arguments, *_pairs(images)], "flashing", baud)
            if verify:
                self.verify(images)
            seconds = round(time.monotonic() - start, 3)
            written = sum(int(size) for size in _WRITTEN.findall(done.output))
            there = {int(offset, 16) for offset in _SKIPPED.findall(done.output)}
            skipped = sum(image.path.stat().st_size for image in images if image.offset in there)
            self.timeline.record("flash", "done", self.board, seconds=seconds, written=written, skipped=skipped)
        return FlashResult(seconds, written, skipped, attempt, self.log)

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes of flash from `offset` on. Raises FlashError."""
        with self.session(), tempfile.TemporaryDirectory(prefix="hil-flash-") as folder:
            file = Path(folder) / "read.bin"
            self._esptool(["read-flash", f"{offset:#x}", f"{size:#x}", str(file)], "reading")
            data = file.read_bytes()
        if len(data) != size:
            raise FlashError(f"board {self.board}: esptool read {len(data)} bytes at {offset:#x}, expected {size}")
        return data

    def write(self, offset: int, data: bytes) -> bool:
        """Erase the sectors under `data` and write it: `offset` and size in whole sectors. Raises FlashError.

        True if esptool has compared the MD5 that the chip makes of it: it does where the chip can, or fails. The data
        goes through a file that only its owner can read and that is gone afterwards: it may hold keys.
        """
        if offset % SECTOR or len(data) % SECTOR or not data:
            raise ValueError(f"{len(data)} bytes at {offset:#x} are not whole sectors of {SECTOR} bytes")
        # As it is: esptool would put its own flash settings into what looks like a bootloader's header.
        keep = ["--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep"]
        with self.session(), private_file(data) as file:
            self._meet()
            self.timeline.record("flash", "write", self.board, offset=offset, bytes=len(data))
            done, _ = self._esptool(["write-flash", *keep, f"{offset:#x}", str(file)], "writing")
        return _COMPARED in done.output

    def holds(self, offset: int, data: bytes) -> bool:
        """Whether the flash has `data` at `offset`, by the MD5 that the chip makes of it. Raises FlashError."""
        with self.session(), private_file(data) as file:
            try:
                self._esptool(["verify-flash", f"{offset:#x}", str(file)], "comparing")
            except FlashError as error:
                if failures.DIFFERS not in str(error):
                    raise
                return False
        return True

    def erase(self) -> None:
        """Erase the whole flash. Raises FlashError."""
        with self.session():
            self._meet()
            self.timeline.record("flash", "erase", self.board)
            self._esptool(["erase-flash"], "erasing")

    def erase_region(self, offset: int, size: int) -> None:
        """Erase `size` bytes from `offset` on, in whole sectors. Raises FlashError."""
        if offset % SECTOR or size % SECTOR or not size:
            raise ValueError(f"{size} bytes at {offset:#x} are not whole sectors of {SECTOR} bytes")
        with self.session():
            self._meet()
            self.timeline.record("flash", "erase", self.board, offset=offset, bytes=size)
            self._esptool(["erase-region", f"{offset:#x}", f"{size:#x}"], "erasing")

    def verify(self, images: Sequence[Image]) -> None:
        """Compare the flash with `images`. Raises FlashError if it differs."""
        check_images(self.board, images)
        with self.session():
            self._esptool(["verify-flash", *_pairs(images)], "verifying")

    def identity(self) -> Identity:
        """Ask the chip who it is. Raises FlashError."""
        with self.session():
            done, _ = self._esptool(["flash-id"], "asking")
        identity = identity_of(done.output)
        if identity is None:
            raise FlashError(f"board {self.board}: esptool did not tell chip type and MAC address\n{tail(done)}")
        return identity

    def security(self) -> Security:
        """Ask the chip for flash encryption and secure boot; what it said is kept. Raises FlashError."""
        if self._security is None:
            with self.session():
                self._security = esptool_security.security(self.chip, self.board, self._ask)
            found = self._security
            if found != Security():
                self.timeline.record(
                    "flash",
                    "security",
                    self.board,
                    encryption=found.encryption,
                    secure_boot=found.secure_boot,
                    restricted=found.restricted or None,
                )
        return self._security

    def _ask(self, words: list[str]) -> str:
        return self._esptool(words, "asking")[0].output

    def hindrance(self) -> str | None:
        """See `hil.flash.Flasher`."""
        return NO_PARTITIONS if self.chip == "esp8266" else self.security().hinders_provisioning

    # -- the process -------------------------------------------------------------------------------------------------

    def _esptool(
        self, arguments: list[str], doing: str, baud: int | None = None, *, after: str | None = None
    ) -> tuple[Finished, int]:
        """Run one command, again if the connection fails; `after`: how it leaves the chip. Raises FlashError."""
        self._used = True
        by_itself = self._console is None and self._wiring.leaving == "lines"
        words = ["--after", after or ("hard-reset" if by_itself else "no-reset"), *self._options, *arguments]
        for attempt in range(1, self.attempts + 1):
            if self._stopped.is_set():
                raise FlashError(f"board {self.board}: {doing} was stopped: the bench closes")
            if attempt > 1 and self._before_retry is not None:
                self._before_retry()
            command = [*self._command, "--chip", self.chip, "--port", self._device(doing)]
            command += ["--baud", str(self._rate(baud)), "--before", self._before(attempt), *words]
            told = self._tell_progress if doing == "flashing" else None
            bar = ProgressBar(f"{self.board}: {doing}", shown=self._show_progress, told=told)
            with bar, environment(self._wiring) as env:
                try:
                    done = run(
                        command,
                        timeout=self.timeout,
                        silence=self.silence,
                        env=env,
                        on_output=bar.feed,
                        merge=True,
                        stop=self._stopped,
                    )
                except OSError as error:
                    raise FlashError(f"board {self.board}: {self._command[0]} cannot be started: {error}") from error
            keep(self.log, self.timeline, command, done, attempt)
            if done.ended == "exit" and done.code == 0:
                self._recognise(done, doing)
                return done, attempt
            reason = self.timeline.redacted(failures.reason(done, self.timeout, self.silence, self._wiring.cure))
            self.timeline.record("flash", "failed", self.board, reason=reason, attempt=attempt)
            if any(words in " ".join(done.output.split()) for words in (*failures.HOPELESS, *failures.UNSUPPORTED)):
                break
        log = f"\nfull output: {self.log}" if self.log is not None else ""
        tries = f" ({attempt} attempts)" if attempt > 1 else ""
        last = self.timeline.redacted(tail(done))
        raise FlashError(f"board {self.board}: {doing} failed{tries}: {reason}\n{last}{log}")

    def _rate(self, baud: int | None) -> int:
        # A loader that nothing resets between two runs stays at the first one's speed; esptool begins with its own.
        return FIRST_RATE if self._wiring.hard is None else baud or self.baud

    def _before(self, attempt: int) -> str:
        """esptool's way into the loader. Where the sequence went first, esptool has it to itself at another attempt."""
        if self._wiring.goes_first and (self._console is None or attempt > 1):
            return "default-reset"
        return self._wiring.before

    def _meet(self) -> None:
        """Have the chip say who it is before it is written to: once, and again after its port was lost."""
        if self._recognition is None:
            return
        lost = self.timeline.last(where("console", "port", self.board, state="lost"))
        if self._met is None or (lost is not None and lost.sequence >= self._met):
            self._security = None
            self.security()

    def _recognise(self, done: Finished, doing: str) -> None:
        identity = identity_of(done.output) if self._recognition is not None else None
        if self._recognition is None or identity is None:
            return
        try:
            self._recognition.chip_says(identity.mac, identity.chip)
        except WrongBoard as error:
            reason = (
                f"{error}; {'it was swapped meanwhile, and written to' if doing in _WRITING else 'nothing was written'}"
            )
            self.timeline.record("flash", "failed", self.board, reason=reason, attempt=1)
            raise FlashError(f"board {self.board}: {reason}") from None
        self._met = self.timeline.mark()

    def _device(self, doing: str) -> str:
        """Where the port is now: it may have come back under another name. Raises FlashError."""
        try:
            return device_of(self.port)
        except PortNotFound as error:
            raise FlashError(f"board {self.board}: {doing} failed: {error}") from None

    def _tell_progress(self, offset: int, percent: float) -> None:
        self.timeline.record("flash", "progress", self.board, offset=offset, percent=percent)


def _pairs(images: Sequence[Image]) -> list[str]:
    return [word for image in images for word in (f"{image.offset:#x}", str(image.path))]
