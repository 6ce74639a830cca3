"""Who a chip says that it is, in esptool's words: each of its runs prints them once it is connected."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONNECTED = re.compile(r"^Connected to (ESP\S+)", re.MULTILINE)
_CHIP = re.compile(r"Chip type:\s+(.+)")
_MAC = re.compile(r"^(?:BASE )?MAC:\s+([0-9a-fA-F:]{17,23})", re.MULTILINE)
_FLASH_SIZE = re.compile(r"Detected flash size:\s+(\S+)")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a chip says that it is: type with revision, MAC address, flash size ('4MB'; None if not told).

    `name`: the chip as esptool and the rig name it ('esp32c3'), '' if not told.
    """

    chip: str
    mac: str
    flash_size: str | None
    name: str = ""


def identity_of(output: str) -> Identity | None:
    """What esptool's output says; None where it tells no MAC address: in secure download mode, for one."""
    chip, mac, size = _CHIP.search(output), _MAC.search(output), _FLASH_SIZE.search(output)
    if chip is None or mac is None:
        return None
    connected = _CONNECTED.search(output)
    name = connected[1].lower().replace("-", "") if connected else ""
    return Identity(chip[1].strip(), mac[1].lower(), size[1] if size else None, name)
