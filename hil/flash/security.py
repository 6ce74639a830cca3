"""What a chip's eFuses say of flash encryption and secure boot, and which images they make useless.

Neither is fought. What is written in the clear to a chip that encrypts its flash is noise to that chip, and an app
without a signature does not start under secure boot: both are named before anything is written.

ESP32: FLASH_CRYPT_CNT is bits 20 to 26 of eFuse block 0, word 0; ABS_DONE_0 (secure boot V1) and ABS_DONE_1 (V2) are
bits 4 and 5 of word 6. Encryption is on while an odd number of bits is set. Later chips answer GET_SECURITY_INFO.
Sources: ESP32 Technical Reference Manual, 'eFuse Controller'; ESP-IDF Programming Guide, 'Flash Encryption'.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hil.flash import Image
from hil.wire import esp_image

ESP32_EFUSES = 0x3FF5A000
"""Where the ESP32 shows block 0 of its eFuses."""
ESP32_EFUSE_BYTES = 28

NO_PARTITIONS = (
    "an ESP8266 has no partition table, so nothing can be put into a partition: set provision.method to 'constants' or "
    "'console', or to 'none'"
)
"""Why an ESP8266 cannot be provisioned through its flash, and the cure."""

_SIGNATURE = 68  # bytes behind an image: a version and an ECDSA signature (V1); V2 has a sector of 4096
_SECURE_DOWNLOAD = 1 << 2
_COUNT = re.compile(r"\((\w+_CRYPT_CNT)\):\s+(0x[0-9a-fA-F]+)")
_FLAGS = re.compile(r"Flags:\s+(0x[0-9a-fA-F]+)")


class NotTold(ValueError):
    """The tool's words say nothing of security."""


@dataclass(frozen=True, slots=True)
class Security:
    """Each None where it is off, else the eFuse that says so: 'FLASH_CRYPT_CNT=0x1', 'ABS_DONE_1'.

    `restricted`: the ROM is in its secure download mode, in which flash can be written but not read.
    """

    encryption: str | None = None
    secure_boot: str | None = None
    restricted: bool = False

    @property
    def hinders_provisioning(self) -> str | None:
        """Why nothing can be provisioned through flash, and the cure; None if it can. Secure boot is no hindrance."""
        if self.encryption is not None:
            return (
                f"flash encryption is on ({self.encryption}): what is written from outside would be noise to the "
                "firmware; take a board without it, or set provision.method to 'none' and have the firmware write them"
            )
        if self.restricted:
            return "its ROM is in secure download mode: flash cannot be read, so nothing in it can be kept"
        return None

    def hinders_flashing(self, images: Sequence[Image]) -> str | None:
        """Why the chip would not start these images, and the cure; None if it would as far as this can be seen."""
        for image in images:
            data = image.path.read_bytes()
            plain = data[:1] == bytes([esp_image.MAGIC]) or data[:2] == b"\xaa\x50"
            if self.encryption is not None and plain:
                return (
                    f"flash encryption is on ({self.encryption}): {image.path.name} is not encrypted, and would be "
                    "noise to the chip; take a board without it, or encrypt the images (espsecure encrypt-flash-data)"
                )
            if self.secure_boot is not None and _unsigned_app(data):
                return (
                    f"secure boot is on ({self.secure_boot}): {image.path.name} has no signature, and would not be "
                    "started; take a board without it, or sign the app (espsecure sign-data)"
                )
        return None


def of_efuses(block0: bytes) -> Security:
    """From the 28 bytes of an ESP32's eFuse block 0. Raises NotTold for fewer."""
    if len(block0) < ESP32_EFUSE_BYTES:
        raise NotTold(f"{len(block0)} bytes of eFuses, expected {ESP32_EFUSE_BYTES}")
    words = struct.unpack_from("<7I", block0)
    done = [name for bit, name in ((4, "ABS_DONE_0"), (5, "ABS_DONE_1")) if words[6] >> bit & 1]
    return Security(_odd("FLASH_CRYPT_CNT", words[0] >> 20 & 0x7F), " and ".join(done) or None)


def of_words(output: str) -> Security:
    """From what `esptool get-security-info` prints of a later chip. Raises NotTold."""
    count, flags = _COUNT.search(output), _FLAGS.search(output)
    if count is None or flags is None:
        raise NotTold("no security information")
    boot = "SECURE_BOOT_EN" if "Secure Boot: Enabled" in output else None
    return Security(_odd(count[1], int(count[2], 16)), boot, bool(int(flags[1], 16) & _SECURE_DOWNLOAD))


def _odd(name: str, count: int) -> str | None:
    return f"{name}={count:#x}" if count.bit_count() % 2 else None


def _unsigned_app(data: bytes) -> bool:
    """Whether this is an app, which has a description, with nothing behind it that could be a signature."""
    try:
        image = esp_image.parse(data, verify_hash=False)
    except esp_image.BadImage:
        return False
    return image.description is not None and len(data) - image.length < _SIGNATURE
