"""UF2 files: blocks of 512 bytes, each with the address where its data goes.

Source: github.com/microsoft/uf2, 'File format'.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

BLOCK = 512
_STARTS = (0x0A324655, 0x9E5D5157)
_END = 0x0AB16F30
_MOST_DATA = 476
_NOT_MAIN_FLASH, _HAS_FAMILY = 0x1, 0x2000

#: Families that a person may want to read by name; the list of all is in the specification's repository.
FAMILIES = {
    0xE48BFF56: "RP2040",
    0xE48BFF59: "RP2350 (ARM)",
    0x68ED2B88: "SAMD21",
    0x55114460: "SAMD51",
    0xADA52840: "nRF52840",
    0xC47E5767: "ESP32-S3",
    0xBFDD4EEE: "ESP32-S2",
}


class BadUf2(ValueError):
    """No UF2 file, or a damaged one; says what was found where, and what was expected."""


@dataclass(frozen=True, slots=True)
class Uf2:
    """`blocks`: how many; `families`: whose chips they are for, by number; `size`: bytes for the main flash."""

    blocks: int
    families: frozenset[int]
    size: int


def parse(data: bytes) -> Uf2:
    """Check a whole file. Raises BadUf2."""
    if not data or len(data) % BLOCK:
        raise BadUf2(f"found {len(data)} bytes, expected blocks of {BLOCK}")
    families: set[int] = set()
    numbers: dict[tuple[int, int], set[int]] = {}
    size = 0
    for at in range(0, len(data), BLOCK):
        first, second, flags, _address, used, number, total, family = struct.unpack_from("<8I", data, at)
        (end,) = struct.unpack_from("<I", data, at + BLOCK - 4)
        where = f"block {at // BLOCK}"
        if (first, second) != _STARTS or end != _END:
            raise BadUf2(f"{where}: found no UF2 magic numbers, expected them at its start and end")
        if used > _MOST_DATA:
            raise BadUf2(f"{where}: found {used} bytes of data, expected at most {_MOST_DATA}")
        if number >= total:
            raise BadUf2(f"{where}: found number {number} of {total} blocks, expected a smaller one")
        family = family if flags & _HAS_FAMILY else 0
        if family:
            families.add(family)
        if not flags & _NOT_MAIN_FLASH:
            size += used
            numbers.setdefault((family, total), set()).add(number)
    for (_, total), seen in numbers.items():
        if len(seen) != total:
            raise BadUf2(f"found {len(seen)} of {total} blocks, expected all: the file is cut off")
    return Uf2(len(data) // BLOCK, frozenset(families), size)
