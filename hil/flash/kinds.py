"""The flashers that a rig can name: `flasher = { kind = "avrdude", board = "nano" }` in a board's table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field

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


Flasher = Annotated[EsptoolFlasher | AvrdudeFlasher, Discriminator("kind")]
