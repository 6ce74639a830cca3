"""The images that a contract names: built, if it has a build command, and found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hil import templates
from hil.flash import Image
from hil.rig import RigBoard


class FirmwareError(Exception):
    """Images that are missing or could not be built. One line: the command or the file, and the cure."""


def images(board: RigBoard, folder: Path) -> list[Image]:
    """The board's images, in order of their offsets; built into `folder` where the contract says how.

    Raises FirmwareError.
    """
    names = {
        "board": board.name,
        "chip": board.config.chip,
        "images": str(folder),
        "python": sys.executable,
        "contract_dir": str(board.contract_path.parent),
    }
    firmware = board.contract.firmware
    if firmware.build is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _build(_command(firmware.build, names, board.config.options), firmware.build_timeout, folder)
    elif board.config.options:
        raise FirmwareError(
            f"board {board.name}: has options, but {board.contract_path} has no firmware.build to take them"
        )
    found = []
    for image in firmware.images:
        if image.chips is None or board.config.chip in image.chips:
            path = board.contract_path.parent / templates.fill(image.file, names)
            if not path.is_file():
                raise FirmwareError(
                    f"board {board.name}: {board.contract_path} names {path}, which does not exist; build it first"
                )
            found.append(Image(image.offset, path))
    if not found:
        raise FirmwareError(f"board {board.name}: {board.contract_path} has no image for the chip {board.config.chip}")
    return sorted(found, key=lambda i: i.offset)


def _command(build: list[str], names: Mapping[str, str], options: list[str]) -> list[str]:
    """The build command; an argument that is just {options} becomes one argument for each."""
    command: list[str] = []
    for part in build:
        command += options if part == "{options}" else [templates.fill(part, {**names, "options": " ".join(options)})]
    return command


def _build(command: list[str], timeout: float, folder: Path) -> None:
    words = " ".join(command)
    log = folder / "build.log"
    try:
        with log.open("wb") as output:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=timeout, check=False
            ).returncode
    except FileNotFoundError:
        raise FirmwareError(
            f"the build command {command[0]!r} was not found; install it or correct firmware.build"
        ) from None
    except subprocess.TimeoutExpired:
        raise FirmwareError(f"the build did not end within {timeout:g} s: {words} (log: {log})") from None
    if code != 0:
        last = log.read_text(errors="replace").strip().split("\n")[-1]
        raise FirmwareError(f"the build ended with {code}: {words}: {last} (log: {log})")
