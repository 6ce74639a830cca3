"""eFuses: bits that are burned once and for good. Only the one that matters to a bench is here.

UART_DOWNLOAD_DIS (ESP32 from revision 3 on; DIS_DOWNLOAD_MODE on later chips): the ROM goes to download mode no more,
whatever IO0 says. Source: ESP-IDF Programming Guide, 'Secure Boot', and the eFuse tables of the chips.
"""

from __future__ import annotations

from pathlib import Path

_DOWNLOAD_DISABLED = "UART_DOWNLOAD_DIS\n"


class Efuses:
    """Kept in the file `path`, beside the flash: remove both for a new chip."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.download_disabled = path.exists() and _DOWNLOAD_DISABLED in path.read_text()

    def disable_download(self) -> None:
        """Burn the bit."""
        if not self.download_disabled:
            self._path.write_text(_DOWNLOAD_DISABLED)
            self.download_disabled = True
