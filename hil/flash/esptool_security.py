"""Asking a chip for flash encryption and secure boot by esptool: how each kind of chip tells it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hil.flash import FlashError
from hil.flash import esptool_failures as failures
from hil.flash.security import ESP32_EFUSE_BYTES, ESP32_EFUSES, NotTold, Security, of_efuses, of_words

Ask = Callable[[list[str]], str]
"""Runs esptool with these words, and returns what it printed. Raises FlashError."""


def security(chip: str, board: str, ask: Ask) -> Security:
    """What the chip of `board` says. `chip`: its name for esptool, or 'auto'. Raises FlashError."""
    # Without the stub: the ROM answers both questions, and is there at once.
    if chip == "esp8266":
        return Security()  # it has neither
    try:
        if chip == "esp32":
            return _of_an_esp32(ask)
        return of_words(ask(["--no-stub", "get-security-info"]))
    except NotTold as error:
        raise FlashError(f"board {board}: esptool did not tell of flash encryption: {error}") from None
    except FlashError as error:
        words = " ".join(str(error).split())
        if chip == "auto" and any(sign in words for sign in failures.UNSUPPORTED):
            return Security() if "ESP8266" in words else _of_an_esp32(ask)
        raise


def _of_an_esp32(ask: Ask) -> Security:
    with tempfile.TemporaryDirectory(prefix="hil-flash-") as folder:
        file = Path(folder) / "efuses.bin"
        ask(["--no-stub", "dump-mem", f"{ESP32_EFUSES:#x}", str(ESP32_EFUSE_BYTES), str(file)])
        return of_efuses(file.read_bytes())
