"""The flashers that a rig can name: `flasher = { kind = "avrdude", board = "nano" }` in a board's table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, model_validator

from hil.toml import Strict

Seconds = Annotated[float, Field(gt=0, le=3600)]


class EsptoolFlasher(Strict):
    """Espressif chips; the rate is the board's flash_baud."""

    kind: Literal["esptool"] = "esptool"


class AvrdudeFlasher(Strict):
    """AVR boards through their bootloader. `baud` 'auto': each rate that bootloaders of this board have had.

    `part`, `programmer`: avrdude's own names, in place of what the board implies. `port`: where avrdude reaches the
    board if that is not the console's port ('net:host:port': avrdude speaks no RFC 2217). Times in seconds.
    """

    kind: Literal["avrdude"] = "avrdude"
    board: Literal["uno", "nano", "nano-old", "mega"] = "uno"
    part: str | None = None
    programmer: str | None = None
    baud: Literal["auto"] | Annotated[int, Field(gt=0)] = "auto"
    port: str | None = None
    timeout: Seconds = 120.0
    silence: Seconds = 15.0


class ArduinoCliFlasher(Strict):
    """See `hil.flash.arduino_cli`. `config`: a path from the rig file on."""

    kind: Literal["arduino-cli"]
    fqbn: Annotated[str, Field(pattern=r"^[^:\s]+:[^:\s]+:[^:\s]+(:\S+)?$")]
    config: str | None = None
    folder: bool = False
    verify: bool = True
    timeout: Seconds = 300.0
    silence: Seconds = 120.0


class BossacFlasher(Strict):
    """See `hil.flash.bossac`."""

    kind: Literal["bossac"]
    offset: Annotated[int, Field(ge=0)] = 0x2000
    boot: bool = False
    reappears: Annotated[float, Field(ge=0, le=600)] = 10.0
    timeout: Seconds = 120.0
    silence: Seconds = 30.0


class Uf2Flasher(Strict):
    """See `hil.flash.uf2`; it needs to know one of `drive` and `board_id`."""

    kind: Literal["uf2"]
    drive: str | None = None
    board_id: str = ""
    touches: bool = True
    appears: Seconds = 15.0
    leaves: Seconds = 15.0
    timeout: Seconds = 120.0
    silence: Seconds = 120.0

    @model_validator(mode="after")
    def _told_apart(self) -> Uf2Flasher:
        if self.drive is None and not self.board_id:
            raise ValueError("found neither drive nor board_id, expected one: any board's drive would be written to")
        return self


Flasher = Annotated[
    EsptoolFlasher | AvrdudeFlasher | ArduinoCliFlasher | BossacFlasher | Uf2Flasher, Discriminator("kind")
]
