"""The firmware that a contract names: built, if it has a build command, and its images found."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from hil import templates
from hil.flash import Image
from hil.process import run
from hil.rig import RigBoard


class FirmwareError(Exception):
    """Images that are missing or could not be built. One line: the command or the file, and the cure."""


class Firmware:
    """The firmware of one board, built into `folder`, a fresh one of the run.

    `images` are those that `build` found last, in order of their offsets; none before. `redact` takes secrets out of
    what the build prints, before it lies in the log.
    """

    def __init__(self, board: RigBoard, folder: Path, *, redact: Callable[[str], str] = str) -> None:
        self.images: list[Image] = []
        self._board = board
        self._folder = folder
        self._redact = redact
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End a build that another thread has running, and start none any more: the bench closes."""
        self._stopped.set()

    @property
    def stopped(self) -> threading.Event:
        """Set once nothing is to be built any more."""
        return self._stopped

    def path(self, template: str) -> Path:
        """A path of the contract, from its folder on, placeholders replaced; makes the folder of `{images}`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._board.contract_path.parent / templates.fill(template, self._names())

    def build(self, *, private: bool = False) -> list[Image]:
        """Run the build command, if there is one, and find the images. Raises FirmwareError.

        `private`: the images hold secrets. Nobody else may read what the build makes, and they are copied into the
        run's folder, because the next build of the same sources overwrites them with another board's.
        """
        board, firmware = self._board, self._board.contract.firmware
        if firmware.build is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._build(_command(firmware.build, self._names(), board.config.options), private)
        elif board.config.options:
            raise FirmwareError(
                f"board {board.name}: has options, but {board.contract_path} has no firmware.build to take them"
            )
        found = self._found()
        self.images = [self._kept(image) for image in found] if private else found
        return self.images

    def _names(self) -> dict[str, str]:
        return {
            "board": self._board.name,
            "chip": self._board.config.chip,
            "images": str(self._folder),
            "python": sys.executable,
            "contract_dir": str(self._board.contract_path.parent),
        }

    def _found(self) -> list[Image]:
        board, found = self._board, []
        for image in board.contract.firmware.images:
            if image.chips is None or board.config.chip in image.chips:
                path = self.path(image.file)
                if not path.is_file():
                    raise FirmwareError(
                        f"board {board.name}: {board.contract_path} names {path}, which does not exist; build it first"
                    )
                found.append(Image(image.offset, path))
        if not found:
            raise FirmwareError(
                f"board {board.name}: {board.contract_path} has no image for the chip {board.config.chip}"
            )
        return sorted(found, key=lambda i: i.offset)

    def _kept(self, image: Image) -> Image:
        """A copy that only its owner can read; so is the original from now on."""
        folder = self._folder / "flashed"
        folder.mkdir(mode=0o700, exist_ok=True)
        copy = folder / f"{image.offset:x}-{image.path.name}"
        image.path.chmod(0o600)
        copy.unlink(missing_ok=True)
        with image.path.open("rb") as source, open(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as target:
            shutil.copyfileobj(source, target)
        return Image(image.offset, copy)

    def _build(self, command: list[str], private: bool) -> None:
        words, timeout, log = " ".join(command), self._board.contract.firmware.build_timeout, self._folder / "build.log"
        begun = ["/bin/sh", "-c", 'umask 077; exec "$@"', "sh", *command] if private else command
        if shutil.which(command[0]) is None:
            raise FirmwareError(f"the build command {command[0]!r} was not found; install it or correct firmware.build")
        log.unlink(missing_ok=True)
        with open(os.open(log, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            lines = _Lines(file, self._redact)
            try:
                done = run(begun, timeout=timeout, merge=True, stop=self._stopped, on_output=lines.take)
            finally:
                lines.end()
        if done.ended == "stopped":
            raise FirmwareError(f"the build was stopped, the bench closes: {words} (log: {log})")
        if done.ended != "exit":
            raise FirmwareError(f"the build did not end within {timeout:g} s: {words} (log: {log})")
        if done.code != 0:
            last = self._redact(done.last_words)
            raise FirmwareError(f"the build ended with {done.code}: {words}: {last} (log: {log})")


class _Lines:
    """Writes whole lines as they come, without their secrets: compilers quote the lines that they complain of."""

    def __init__(self, file: TextIO, redact: Callable[[str], str]) -> None:
        self._file = file
        self._redact = redact
        self._partial = ""

    def take(self, text: str) -> None:
        """More of what the build prints."""
        whole, newline, self._partial = (self._partial + text).rpartition("\n")
        self._file.write(self._redact(whole + newline))
        self._file.flush()

    def end(self) -> None:
        """Nothing more comes."""
        self._file.write(self._redact(self._partial))


def _command(build: list[str], names: Mapping[str, str], options: list[str]) -> list[str]:
    """The build command; an argument that is just {options} becomes one argument for each."""
    command: list[str] = []
    for part in build:
        command += options if part == "{options}" else [templates.fill(part, {**names, "options": " ".join(options)})]
    return command
