"""Any board that Arduino has a core for, by `arduino-cli upload`, run as a process of its own (GPL-3).

Its arguments are those of its reference, version 1.4 (arduino.github.io/arduino-cli/1.4/commands/arduino-cli_upload);
its words are from threads of its issue tracker. It finds the port again itself where a board's reset moves it.
"""

from __future__ import annotations

from pathlib import Path

from hil.flash import Image
from hil.flash.upload import Line, Uploader


class ArduinoCli(Uploader):
    """`fqbn`: the board's name for arduino-cli ('arduino:avr:uno'). `config`: its configuration file.

    `folder`: upload all that lies beside the image, as a compilation left it; cores such as esp32's need that.
    `verify`: have the core's tool compare what it wrote.
    """

    tool = "arduino-cli"
    program = "arduino-cli"
    package = "arduino.github.io/arduino-cli, 'Installation'"
    cures = (
        ("is not installed", "install the board's core: arduino-cli core install, as the user who runs this"),
        ("not found: platform", "install the board's core: arduino-cli core install, as the user who runs this"),
        ("nknown FQBN", "`arduino-cli board listall` shows the names that there are"),
        ("nvalid FQBN", "an FQBN is 'package:architecture:board', as `arduino-cli board listall` shows"),
        ("no upload port", "name the board's port in the rig"),
        ("ermission denied", "add yourself to the group dialout, and log in again"),
        ("esource busy", "another program has the port: `fuser -v` on it shows who"),
        (
            "not in sync",
            "the bootloader does not answer: right board? Old Nanos: fqbn with ':cpu=atmega328old'",
        ),
        ("No device found", "the board did not start its bootloader: press reset twice"),
        ("uploading error: exit status", "the core's own tool failed: its words are above, and in the log"),
    )

    def __init__(
        self,
        line: Line,
        fqbn: str,
        *,
        config: Path | None = None,
        folder: bool = False,
        verify: bool = True,
    ) -> None:
        super().__init__(line)
        self.fqbn = fqbn
        self._config = config
        self._folder = folder
        self._verify = verify

    def upload(self, image: Image) -> None:
        """See `hil.flash.upload.Uploader`."""
        words = ["upload", "--fqbn", self.fqbn, "--port", self.port]
        words += ["--input-dir", str(image.path.parent)] if self._folder else ["--input-file", str(image.path)]
        words += ["--verify"] if self._verify else []
        words += ["--config-file", str(self._config)] if self._config is not None else []
        self.run([*words, "--no-color"])
