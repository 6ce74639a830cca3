"""What tells one chip from another: identities, registers, and the words its mask ROM prints. One file for each kind.

Sources, by chip (docs/virtual-boards.md has the table of what is confirmed by what):

- Traces of mask ROMs in an emulator (esp32, esp32s3, esp32c3): registers, GET_SECURITY_INFO, replies.
- What esptool 5.6 reads of each chip (its targets/), and where espefuse 5.6 has the eFuses: addresses and bits.
- ESP-IDF, soc/reset_reasons.h of each chip, for the esp32p4 OpenOCD's copy of it: the numbers after `rst:`.
- Boot logs of real boards in public repositories: banners, `boot:` words, names of causes. Where no log was found the
  chip's file says so.

Chips that esptool 5.6 knows and that are not here, because no log of their ROMs was found: esp32e22, esp32h21, esp32h4,
esp32s31.
"""

from __future__ import annotations

import hashlib

from hil.virtual.chips.esp32 import ESP32, mac_crc
from hil.virtual.chips.esp32c import ESP32C2, ESP32C3
from hil.virtual.chips.esp32p4 import ESP32P4
from hil.virtual.chips.esp32s import ESP32S2, ESP32S3
from hil.virtual.chips.esp8266 import ESP8266
from hil.virtual.chips.lp import ESP32C5, ESP32C6, ESP32C61, ESP32H2
from hil.virtual.chips.model import Chip, EfuseField, SpiController, Watchdog

__all__ = ["CHIPS", "Chip", "EfuseField", "SpiController", "Watchdog", "mac_crc", "mac_of"]

CHIPS = {
    chip.name: chip
    for chip in (
        ESP32,
        ESP32S2,
        ESP32S3,
        ESP32C2,
        ESP32C3,
        ESP32C5,
        ESP32C6,
        ESP32C61,
        ESP32H2,
        ESP32P4,
        ESP8266,
    )
}


def mac_of(name: str) -> bytes:
    """A MAC address for a board of that name: one of Espressif's prefixes, the rest from the name."""
    return bytes((0x24, 0x0A, 0xC4)) + hashlib.sha256(name.encode()).digest()[:3]
