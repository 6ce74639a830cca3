"""How each chip boots: the ESP32 family by partition table, the ESP8266 by its fixed layout."""

from __future__ import annotations

from collections.abc import Iterator

from hil.virtual import bootloader, eboot
from hil.virtual.boot_steps import ReadableFlash, Step
from hil.virtual.chips import Chip
from hil.virtual.host import Cause


def boot(chip: Chip, flash: ReadableFlash, cause: Cause) -> Iterator[Step]:
    """From reset to the outcome, by what is in `flash` at each moment."""
    return (eboot.boot if chip.name == "esp8266" else bootloader.boot)(chip, flash, cause)
