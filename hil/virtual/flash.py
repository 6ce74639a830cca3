"""A NOR flash in a file.

NOR: an erase sets whole 4 KiB sectors to 0xFF, programming only clears bits. The file is mapped, and every change is
in it at once, so a SIGKILL of this process leaves exactly what was erased and programmed until then: what a power cut
leaves in a real chip.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

SECTOR = 0x1000
BLOCK = 0x10000


class FlashFileError(ValueError):
    """The file cannot serve as this flash. One line, with the cure."""


class Flash:
    """`size` bytes of NOR flash in the file `path`, which is made (all 0xFF) if it is not there.

    Raises FlashFileError if the file has another size.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        if not path.exists():
            _create(path, size)
        found = path.stat().st_size
        if found != size:
            raise FlashFileError(
                f"{path} holds a flash of {found} bytes, expected {size}: give the --flash-size it was made with, "
                "or remove the file to start with a blank one"
            )
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)

    def read(self, offset: int, length: int) -> bytes:
        """Raises ValueError if the range is not inside the flash."""
        self._check(offset, length)
        return self._map[offset : offset + length]

    def program(self, offset: int, data: bytes) -> None:
        """Clear the bits that are 0 in `data`; bits that are 0 in the flash stay 0.

        Raises ValueError if the range is not inside the flash.
        """
        self._check(offset, len(data))
        there = int.from_bytes(self._map[offset : offset + len(data)], "little")
        both = there & int.from_bytes(data, "little")
        self._map[offset : offset + len(data)] = both.to_bytes(len(data), "little")

    def erase(self, offset: int, length: int) -> None:
        """Set whole sectors to 0xFF. Raises ValueError off the sectors' bounds or outside the flash."""
        self._check(offset, length)
        if offset % SECTOR or length % SECTOR:
            raise ValueError(f"flash is erased in sectors of {SECTOR} bytes, not {length} bytes at 0x{offset:x}")
        self._map[offset : offset + length] = b"\xff" * length

    def erase_begun(self, offset: int, length: int) -> None:
        """What an erase has done half-way: the first half of the range is 0xFF. A power cut may stop it there."""
        self._check(offset, length)
        self._map[offset : offset + length // 2] = b"\xff" * (length // 2)

    def close(self) -> None:
        """Let go of the file. What was written stays."""
        self._map.close()

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ValueError(f"{length} bytes at 0x{offset:x} are not inside a flash of 0x{self.size:x} bytes")


def erase_steps(offset: int, length: int) -> list[tuple[int, int]]:
    """How a chip erases a range of sectors: (offset, length) of each erase command, 64 KiB blocks where they fit."""
    steps = []
    end = offset + length
    while offset < end:
        size = BLOCK if offset % BLOCK == 0 and end - offset >= BLOCK else SECTOR
        steps.append((offset, size))
        offset += size
    return steps


def _create(path: Path, size: int) -> None:
    # Whole or not at all: a half-made file would be refused for ever after.
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        for _ in range(size // BLOCK):
            file.write(b"\xff" * BLOCK)
    os.replace(draft, path)
