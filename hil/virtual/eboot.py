"""What an ESP8266 does between reset and its app's first instruction: its ROM, and the Arduino core's eboot.

Flash holds two images: eboot's at 0, which the ROM loads, and the app's at 0x1000, which eboot loads. There is no
partition table; where data lies is fixed by the build (Arduino core, tools/sdk/ld: `eagle.flash.4m2m.ld`). Wording from
boot logs: the ROM's down to `csum`, `v...` with a number of the SDK, `~ld` from eboot.

The reference firmware keeps its own counters in 20 KiB at 0x3F0000, above the file system of that layout.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from hil.virtual.boot_steps import APP_BAUD, ROM_TIME, Halt, Print, Rate, ReadableFlash, Reset, Start, Step, rom_banner
from hil.virtual.chips import Chip
from hil.virtual.host import BadManifest, Cause, Manifest
from hil.wire import esp8266_image, partitions
from hil.wire.esp_image import MAGIC, BadImage, Flaw, Image
from hil.wire.partitions import Partition, Table

APP_OFFSET = 0x1000
OWN_OFFSET = 0x3F0000
OWN_SIZE = 0x5000
GIVES_UP = 0.8
"""Seconds until the watchdog ends a ROM or an eboot that has found nothing to start."""


def boot(chip: Chip, flash: ReadableFlash, cause: Cause) -> Iterator[Step]:
    """From reset to the outcome, by what is in `flash` at each moment."""
    yield Print(ROM_TIME, rom_banner(chip, cause, download=False))
    if not (yield from _rom_load(flash)):
        yield Print(GIVES_UP, "")
        yield Reset(chip.empty_flash_reset)
        return
    yield Print(0.02, "v08b0d5a0\r\n~ld\r\n")
    yield Rate(APP_BAUD)
    yield from _start(chip, flash)


def _rom_load(flash: ReadableFlash) -> Generator[Step, None, bool]:
    data = flash.read(0, APP_OFFSET)
    if data[0] != MAGIC:
        yield Print(0.01, "ets_main.c 543 \r\n")
        return False
    try:
        image = esp8266_image.parse(data)
    except BadImage as error:
        if error.flaw is Flaw.CHECKSUM:
            yield Print(0.01, f"chksum 0x{error.expected:02x}\r\ncsum 0x{error.found:02x}\r\ncsum err\r\n")
        yield Print(0.01, "ets_main.c 543 \r\n")
        return False
    for segment in image.segments:
        size = len(segment.data)
        yield Print(0.005, f"load 0x{segment.address:08x}, len {size}, room 16 \r\ntail {size % 16}\r\n")
    yield Print(0.005, f"chksum 0x{image.checksum:02x}\r\ncsum 0x{image.checksum:02x}\r\n")
    return True


def _start(chip: Chip, flash: ReadableFlash) -> Iterator[Step]:
    image = _app(flash)
    if image is None:
        # eboot copies what it is told to and jumps: it prints nothing of what it has found.
        yield Print(GIVES_UP, "")
        yield Reset(chip.empty_flash_reset)
        return
    try:
        manifest = next(filter(None, (Manifest.find(segment.data) for segment in image.segments)), None)
    except BadManifest as error:
        yield Print(0.0, f"{error}\r\n")
        manifest = None
    if manifest is None:
        yield Print(0.0, f"the app is valid, but this virtual board cannot execute {chip.code} code\r\n")
        yield Halt()
        return
    app = Partition("app", partitions.TYPE_APP, partitions.APP_FACTORY, APP_OFFSET, OWN_OFFSET - APP_OFFSET)
    own = Partition("nvs", partitions.TYPE_DATA, partitions.DATA_NVS, OWN_OFFSET, OWN_SIZE)
    yield Start(manifest, app, Table((own,)))


def _app(flash: ReadableFlash) -> Image | None:
    try:
        return esp8266_image.parse(flash.read(APP_OFFSET, OWN_OFFSET - APP_OFFSET))
    except BadImage:
        return None
