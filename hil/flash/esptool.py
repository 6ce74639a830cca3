"""Espressif chips by esptool, run as a process of its own: it is GPL, and never imported here.

    flasher = Esptool(timeline, "esp32-a", "/dev/serial/by-id/usb-...", "esp32", console=console)
    flasher.flash([Image(0x1000, bootloader), Image(0x8000, table), Image(0x10000, app)])

Options and messages are those of esptool 5.6. It compares an MD5 of what it wrote by itself ('Hash of data verified'),
and with --skip-flashed before writing, too.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil import reset
from hil.console import Console, ConsoleError
from hil.flash import SECTOR, FlashError, FlashResult, Image, check_images
from hil.flash.output import keep, tail
from hil.flash.progress import ProgressBar
from hil.flash.security import ESP32_EFUSE_BYTES, ESP32_EFUSES, NotTold, Security, of_efuses, of_words
from hil.ports import PortFinder, PortNotFound, device_of
from hil.process import Finished, run
from hil.timeline import Timeline

# Makes pyserial quick on RFC 2217 ports, in esptool's process; see the file there.
_TOOL_PATH = Path(__file__).parent / "tool_path"

# What verify-flash says of flash with other contents.
_DIFFERS = "Verification failed"

# Words of failures that another attempt cannot mend.
_HOPELESS = (
    "Wrong chip argument",
    "Wrong --chip argument",
    "is not a valid",
    "will not fit in",
    "Unexpected chip ID",
    "No such file",
    "Usage:",
    "Invalid value",
    "security features",
    "Secure Boot",
    "Flash encryption",
    "ModuleNotFoundError",
    "No module named",
    _DIFFERS,
)

# Words of a chip without GET_SECURITY_INFO: the ESP32.
_UNSUPPORTED = ("unsupported", "not supported", "not implemented")

# What each failure most often comes from; the first that is found in esptool's words is told.
_CURES = (
    ("port is busy or doesn't exist", "is the board plugged in, and its port free? `fuser -v` on the port shows who"),
    ("Wrong boot mode", "hold the BOOT button, or check that DTR and RTS are wired to IO0 and EN"),
    ("No serial data received", "check power, cable, and that DTR and RTS are wired to IO0 and EN"),
    ("Failed to connect", "check power, cable, and that DTR and RTS are wired to IO0 and EN"),
    ("Wrong chip argument", "name the chip that it is in the rig"),
    ("Wrong --chip argument", "name the chip that it is in the rig"),
    ("will not fit in", "build for this flash size, or name another offset"),
    ("Verification failed", "flash it again"),
    ("MD5 of file does not match", "the supply may be weak, or the flash worn: try a lower baud rate"),
    ("Invalid head of packet", "the line loses data: try a lower baud rate or a shorter cable"),
    ("stopped responding", "the line loses data: try a lower baud rate or a shorter cable"),
    ("No module named esptool", "install it: pip install esptool"),
)

_WRITTEN = re.compile(r"Wrote (\d+) bytes")
_SKIPPED = re.compile(r"0x([0-9a-fA-F]+)\s+already\s+in\s+flash")
_CHIP = re.compile(r"Chip type:\s+(.+)")
_MAC = re.compile(r"^(?:BASE )?MAC:\s+([0-9a-fA-F:]{17,23})", re.MULTILINE)
_FLASH_SIZE = re.compile(r"Detected flash size:\s+(\S+)")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a chip says that it is: type with revision, MAC address, and flash size ('4MB'; None if not told)."""

    chip: str
    mac: str
    flash_size: str | None


class Esptool:
    """esptool on one port.

    `chip`: its name for esptool, or 'auto'. `baud`: while flashing. `timeout`: for a whole run of the tool, and
    `silence`: without any output, both in seconds. `attempts`: how often to try when the connection fails, each with a
    fresh reset. `console`: who has the port; it is borrowed, and the board reset by it afterwards so that the console
    sees the boot from its first byte; without one, esptool resets the board. `artifacts`: where the output is kept.
    `before_retry` is called between attempts: to power-cycle a board whose port has no reset lines, for one.
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
        before: str = "default-reset",
        options: Sequence[str] = (),
        before_retry: Callable[[], object] | None = None,
        show_progress: bool | None = None,
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
        self._before = before
        self._options = list(options)
        self._before_retry = before_retry
        self._show_progress = show_progress
        self._depth = 0
        self._stopped = threading.Event()
        self._security: Security | None = None

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
        borrowed = contextlib.nullcontext() if self._console is None else self._console.released()
        self._depth = 1
        try:
            with borrowed:
                yield
        except ConsoleError as error:
            raise FlashError(f"board {self.board}: its port cannot be borrowed and given back: {error}") from error
        except BaseException:
            # The board runs again if it can, but what went wrong before is what counts.
            with contextlib.suppress(ConsoleError):
                self._run_again()
            raise
        finally:
            self._depth = 0
        try:
            self._run_again()
        except ConsoleError as error:
            raise FlashError(f"board {self.board}: cannot be reset after flashing: {error}") from error

    def _run_again(self) -> None:
        if self._console is not None:
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

    def write(self, offset: int, data: bytes) -> None:
        """Erase the sectors under `data` and write it: `offset` and size in whole sectors. Raises FlashError.

        The data goes through a file that only its owner can read and that is gone afterwards: it may hold keys.
        """
        if offset % SECTOR or len(data) % SECTOR or not data:
            raise ValueError(f"{len(data)} bytes at {offset:#x} are not whole sectors of {SECTOR} bytes")
        # As it is: esptool would put its own flash settings into what looks like a bootloader's header.
        keep = ["--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep"]
        with self.session(), _private_file(data) as file:
            self._esptool(["write-flash", *keep, f"{offset:#x}", str(file)], "writing")

    def holds(self, offset: int, data: bytes) -> bool:
        """Whether the flash has `data` at `offset`, by the MD5 that the chip makes of it. Raises FlashError."""
        with self.session(), _private_file(data) as file:
            try:
                self._esptool(["verify-flash", f"{offset:#x}", str(file)], "comparing")
            except FlashError as error:
                if _DIFFERS not in str(error):
                    raise
                return False
        return True

    def erase(self) -> None:
        """Erase the whole flash. Raises FlashError."""
        with self.session():
            self._esptool(["erase-flash"], "erasing")

    def erase_region(self, offset: int, size: int) -> None:
        """Erase `size` bytes from `offset` on, in whole sectors. Raises FlashError."""
        if offset % SECTOR or size % SECTOR or not size:
            raise ValueError(f"{size} bytes at {offset:#x} are not whole sectors of {SECTOR} bytes")
        with self.session():
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
        chip, mac, size = _CHIP.search(done.output), _MAC.search(done.output), _FLASH_SIZE.search(done.output)
        if chip is None or mac is None:
            raise FlashError(f"board {self.board}: esptool did not tell chip type and MAC address\n{tail(done)}")
        return Identity(chip[1].strip(), mac[1].lower(), size[1] if size else None)

    def security(self) -> Security:
        """Ask the chip for flash encryption and secure boot; what it said is kept. Raises FlashError."""
        if self._security is None:
            with self.session():
                self._security = self._ask_security()
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

    def hindrance(self) -> str | None:
        """See `hil.flash.Flasher`."""
        return self.security().hinders_provisioning

    def _ask_security(self) -> Security:
        # Without the stub: the ROM answers both questions, and is there at once.
        try:
            if self.chip == "esp32":
                return self._esp32_security()
            return of_words(self._esptool(["--no-stub", "get-security-info"], "asking")[0].output)
        except NotTold as error:
            raise FlashError(f"board {self.board}: esptool did not tell of flash encryption: {error}") from None
        except FlashError as error:
            words = " ".join(str(error).split())
            if self.chip == "auto" and any(sign in words for sign in _UNSUPPORTED):
                return self._esp32_security()
            raise

    def _esp32_security(self) -> Security:
        with tempfile.TemporaryDirectory(prefix="hil-flash-") as folder:
            file = Path(folder) / "efuses.bin"
            where = [f"{ESP32_EFUSES:#x}", str(ESP32_EFUSE_BYTES), str(file)]
            self._esptool(["--no-stub", "dump-mem", *where], "asking")
            return of_efuses(file.read_bytes())

    # -- the process -------------------------------------------------------------------------------------------------

    def _esptool(self, arguments: list[str], doing: str, baud: int | None = None) -> tuple[Finished, int]:
        """Run one command, again if the connection fails. Raises FlashError when all attempts have failed."""
        words = ["--baud", str(baud or self.baud), "--before", self._before]
        words += ["--after", "hard-reset" if self._console is None else "no-reset", *self._options, *arguments]
        for attempt in range(1, self.attempts + 1):
            if self._stopped.is_set():
                raise FlashError(f"board {self.board}: {doing} was stopped: the bench closes")
            if attempt > 1 and self._before_retry is not None:
                self._before_retry()
            command = [*self._command, "--chip", self.chip, "--port", self._device(doing), *words]
            told = self._tell_progress if doing == "flashing" else None
            with ProgressBar(f"{self.board}: {doing}", shown=self._show_progress, told=told) as bar:
                try:
                    done = run(
                        command,
                        timeout=self.timeout,
                        silence=self.silence,
                        env=_environment(),
                        on_output=bar.feed,
                        merge=True,
                        stop=self._stopped,
                    )
                except OSError as error:
                    raise FlashError(f"board {self.board}: {self._command[0]} cannot be started: {error}") from error
            keep(self.log, self.timeline, command, done, attempt)
            if done.ended == "exit" and done.code == 0:
                return done, attempt
            reason = self._reason(done)
            self.timeline.record("flash", "failed", self.board, reason=reason, attempt=attempt)
            if any(words in " ".join(done.output.split()) for words in (*_HOPELESS, *_UNSUPPORTED)):
                break
        log = f"\nfull output: {self.log}" if self.log is not None else ""
        tries = f" ({attempt} attempts)" if attempt > 1 else ""
        last = self.timeline.redacted(tail(done))
        raise FlashError(f"board {self.board}: {doing} failed{tries}: {reason}\n{last}{log}")

    def _device(self, doing: str) -> str:
        """Where the port is now: it may have come back under another name. Raises FlashError."""
        try:
            return device_of(self.port)
        except PortNotFound as error:
            raise FlashError(f"board {self.board}: {doing} failed: {error}") from None

    def _tell_progress(self, offset: int, percent: float) -> None:
        self.timeline.record("flash", "progress", self.board, offset=offset, percent=percent)

    def _reason(self, done: Finished) -> str:
        if done.ended == "time-out":
            what = f"esptool was not done after {self.timeout:g} s and has been ended"
        elif done.ended == "stopped":
            what = "esptool was stopped: the bench closes"
        elif done.ended == "silence":
            what = f"esptool had said nothing for {self.silence:g} s and has been ended"
        else:
            found = re.search(r"fatal error occurred:\s*(.+)|(\w*Exception\b.+)", done.output)
            what = (found[1] or found[2]) if found else f"{done.last_words} (exit code {done.code})"
        words = " ".join(done.output.split())
        cure = next((cure for sign, cure in _CURES if sign in words), None)
        return self.timeline.redacted(what.strip().rstrip(".") + (f"; {cure}" if cure else ""))


@contextlib.contextmanager
def _private_file(data: bytes) -> Iterator[Path]:
    """A file that only its owner can read, and that is overwritten and gone afterwards: it may hold keys."""
    with tempfile.TemporaryDirectory(prefix="hil-flash-") as folder:
        file = Path(folder) / "write.bin"
        with open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            out.write(data)
        try:
            yield file
        finally:
            file.write_bytes(bytes(len(data)))


def _pairs(images: Sequence[Image]) -> list[str]:
    return [word for image in images for word in (f"{image.offset:#x}", str(image.path))]


def _environment() -> dict[str, str]:
    """Plain output, unbuffered so that progress and silence are seen, and lines that are not broken at 80 columns."""
    path = os.pathsep.join([str(_TOOL_PATH), *filter(None, [os.environ.get("PYTHONPATH")])])
    plain = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    return {**os.environ, **plain, "PYTHONPATH": path}
