"""What writes firmware and data to a board's flash. One file for each tool, one interface for all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["SECTOR", "FlashError", "FlashResult", "Flasher", "Image", "check_images"]

# What NOR flash erases at once, in bytes.
SECTOR = 4096


class FlashError(Exception):
    """The board could not be flashed. The first line says what happened and what to do, then come the tool's words."""


@dataclass(frozen=True, slots=True)
class Image:
    """A file and where it goes: `offset` in bytes from the start of the flash."""

    offset: int
    path: Path


@dataclass(frozen=True, slots=True)
class FlashResult:
    """What flashing came to: `seconds` it took, bytes `written`, bytes `skipped` because they were there already,
    at which attempt it succeeded, and where the tool's output lies."""

    seconds: float
    written: int
    skipped: int
    attempts: int = 1
    log: Path | None = None

    def __str__(self) -> str:
        tries = f", at attempt {self.attempts}" if self.attempts > 1 else ""
        return f"{self.written} bytes written, {self.skipped} there already, in {self.seconds:.1f} s{tries}"


def check_images(board: str, images: Sequence[Image]) -> None:
    """Raises FlashError if there is nothing to flash, or a file is missing."""
    if not images:
        raise FlashError(f"board {board}: there is no image to flash: name some in its contract")
    for image in images:
        if not image.path.is_file():
            raise FlashError(f"board {board}: image {image.path} does not exist: build it first")


class Flasher(Protocol):
    """A tool that can read and write the flash of one board. All methods raise FlashError.

    Each leaves the board running; inside `session` it stays with the tool from one to the next.
    """

    tool: str

    def session(self) -> AbstractContextManager[object]:
        """Keep the board for several steps, and have it run again at the end. May be nested."""
        ...

    def flash(self, images: Sequence[Image], *, force: bool = False, baud: int | None = None) -> FlashResult:
        """Write the images, but for those that lie in flash already; `force` writes them all the same.

        `baud`: at this rate in bit/s in place of the usual one, where the tool has a rate.
        """
        ...

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on."""
        ...

    def write(self, offset: int, data: bytes) -> bool | None:
        """Erase the sectors under `data` and write it; both `offset` and size in whole sectors.

        True if the chip has been asked afterwards whether it holds `data`; otherwise nobody has looked.
        """
        ...

    def erase(self) -> None:
        """Erase the whole flash."""
        ...

    def stop(self) -> None:
        """End whatever another thread does here, and do nothing any more: the bench closes. Raises nothing."""
        ...

    def verify(self, images: Sequence[Image]) -> None:
        """Compare the flash with the images."""
        ...

    def holds(self, offset: int, data: bytes) -> bool:
        """Whether the flash has `data` at `offset`, as the chip itself finds by a digest: quicker than reading it."""
        ...

    def hindrance(self) -> str | None:
        """Why what the flash holds cannot be changed from outside, and the cure: flash encryption. None if it can."""
        ...
