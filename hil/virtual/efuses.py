"""eFuses: bits that are burned once and for good. Only those that matter to a bench are here, by the chips' own names.

UART_DOWNLOAD_DIS (on every chip here; later ones call it DIS_DOWNLOAD_MODE): the ROM goes to download mode no more,
whatever IO0 says. FLASH_CRYPT_CNT, ABS_DONE_0 and ABS_DONE_1 of the ESP32, SPI_BOOT_CRYPT_CNT, SECURE_BOOT_EN and
ENABLE_SECURITY_DOWNLOAD of later chips are told to the host that asks, and nothing more: this chip neither encrypts nor
verifies. Source: ESP-IDF Programming Guide, 'Secure Boot', and the eFuse tables of the chips.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hil.virtual.chips import Chip

_DOWNLOAD_DISABLED = "UART_DOWNLOAD_DIS"


class Efuses:
    """Those of `chip`, kept in the file `path`, a line each, beside the flash: remove both for a new chip."""

    def __init__(self, path: Path, chip: Chip) -> None:
        self._path = path
        self._chip = chip
        self._burned: dict[str, int] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            name, _, value = line.partition("=")
            self._burned[name] = int(value or "1", 0)

    @property
    def download_disabled(self) -> bool:
        """Whether the ROM goes to download mode no more."""
        return bool(self._burned.get(_DOWNLOAD_DISABLED))

    def disable_download(self) -> None:
        """Burn the bit."""
        self.burn({_DOWNLOAD_DISABLED: 1})

    def burn(self, values: Mapping[str, int]) -> None:
        """Set these bits; what is set stays set. Raises ValueError for a name or value that the chip does not have."""
        for name, value in values.items():
            place = self._chip.efuses.get(name)
            if place is None:
                known = ", ".join(self._chip.efuses)
                raise ValueError(f"{self._chip.name} has no eFuse {name!r} here; known: {known}")
            if not 0 <= value < 1 << place.width:
                raise ValueError(f"eFuse {name} has {place.width} bits, {value:#x} does not fit")
        burned = {name: self._burned.get(name, 0) | value for name, value in values.items()}
        if {**self._burned, **burned} != self._burned:
            self._burned |= burned
            self._path.write_text("".join(f"{name}={value}\n" for name, value in self._burned.items()))

    def words(self) -> dict[int, int]:
        """The bits that a host finds in the chip's registers: address and bits, to be laid over what is there."""
        found: dict[int, int] = {}
        for name, value in self._burned.items():
            place = self._chip.efuses.get(name)
            if place is not None:
                found[place.register] = found.get(place.register, 0) | value << place.shift
        return found

    def security_info(self) -> bytes | None:
        """The answer to GET_SECURITY_INFO: its flags and its count of flash encryption; None if the chip has none."""
        said = self._chip.security_info
        if said is None:
            return None
        flags = int.from_bytes(said[:4], "little")
        for name, bit in (("SECURE_BOOT_EN", 0), ("ENABLE_SECURITY_DOWNLOAD", 2)):
            flags |= self._burned.get(name, 0) << bit
        return flags.to_bytes(4, "little") + bytes([self._burned.get("SPI_BOOT_CRYPT_CNT", 0)]) + said[5:]


def asked(words: list[str]) -> dict[str, int]:
    """From words such as 'FLASH_CRYPT_CNT=1' or 'ABS_DONE_1'. Raises ValueError."""
    found: dict[str, int] = {}
    for word in words:
        match = re.fullmatch(r"([A-Z0-9_]+)(?:=(\d+|0x[0-9a-fA-F]+))?", word)
        if match is None:
            raise ValueError(f"{word!r} is no eFuse; expected a name, or a name and a number: FLASH_CRYPT_CNT=1")
        found[match[1]] = int(match[2] or "1", 0)
    return found
