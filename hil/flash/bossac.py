"""Boards with a SAM or SAMD (Due, Zero, MKR, Nano 33 IoT) by bossac, run as a process of its own (BSD-3-Clause).

Options and messages are those of bossac 1.9.1. The 1200-baud touch starts the bootloader, whose port may be another.
"""

from __future__ import annotations

from collections.abc import Callable

from hil.flash import Image
from hil.flash.touch import Listing, TouchError, bootloader_port, touch
from hil.flash.upload import Line, Uploader
from hil.ports import connected


class Bossac(Uploader):
    """`offset`: where the program starts in flash, in bytes: 0x2000 behind a SAMD's bootloader; 0 for a Due.

    `reappears`: seconds within which the bootloader's port has to come after the touch; 0: no touch, the board is in
    its bootloader already. `boot`: have it boot from flash, which a Due has to be told.
    """

    tool = "bossac"
    program = "bossac"
    package = "apt-get install bossa-cli"
    cures = (
        (
            "No device found",
            "the board is not in its bootloader: press reset twice, or set reappears in the rig",
        ),
        (
            "SAM-BA operation failed",
            "the bootloader answers otherwise: name the right offset in the rig",
        ),
        ("Verify failed", "flash it again; if it stays, the flash is worn or the supply weak"),
        ("exceeds", "the program is too large for this board"),
        ("invalid", "the offset has to be a multiple of the chip's page size, within its flash"),
    )

    def __init__(
        self,
        line: Line,
        *,
        offset: int = 0x2000,
        boot: bool = False,
        reappears: float = 10.0,
        listing: Listing = connected,
        touching: Callable[[str], None] = touch,
    ) -> None:
        super().__init__(line)
        self._offset = offset
        self._boot = boot
        self._reappears = reappears
        self._listing = listing
        self._touching = touching

    def upload(self, image: Image) -> None:
        """See `hil.flash.upload.Uploader`."""
        port = self.port
        if self._reappears:
            try:
                port = bootloader_port(
                    self.port, self._reappears, self.stopped, listing=self._listing, touching=self._touching
                )
            except TouchError as error:
                raise self.error(str(error)) from error
            self.timeline.record("flash", "bootloader", self.board, port=port)
        words = [f"--port={port}", "--usb-port", f"--offset={self._offset:#x}", "--erase", "--write", "--verify"]
        self.run([*words, *(["--boot"] if self._boot else []), "--reset", str(image.path)])
