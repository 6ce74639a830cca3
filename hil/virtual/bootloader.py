"""What a chip does between reset and its app's first instruction: ROM and second-stage bootloader, on a flash.

`boot` reads what lies in flash, validates it as the ROM and Espressif's bootloader do, and yields what they print, each
piece with the seconds that a real chip takes before it. The last thing it yields is the outcome. The wording follows
logs of real chips; the values of `rst:` and the names of errors are what a test may rely on.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterator

from hil.virtual.boot_steps import APP_BAUD, ROM_TIME, Halt, Print, Rate, ReadableFlash, Reset, Start, Step, rom_banner
from hil.virtual.chips import Chip
from hil.virtual.host import BadManifest, Cause, Manifest
from hil.wire import esp_image, partitions
from hil.wire.esp_image import BadImage, Flaw, Image
from hil.wire.partitions import BadTable, Partition, Table, TableFlaw

INVALID_HEADERS = 8
"""How often the ROM says `invalid header` before its watchdog ends it."""
INVALID_HEADER_PERIOD = 0.125
"""Seconds between two of these."""
HASH_RATE = 8_000_000
"""Bytes a second that the bootloader reads and hashes."""
OTA_INVALID = 3
OTA_ABORTED = 4


def boot(chip: Chip, flash: ReadableFlash, cause: Cause) -> Iterator[Step]:
    """From reset to the outcome, by what is in `flash` at each moment."""
    yield Print(ROM_TIME, rom_banner(chip, cause, download=False))
    bootloader = yield from _rom_load(chip, flash)
    if bootloader is None:
        yield Reset(chip.empty_flash_reset)
        return
    if bootloader.chip_id != chip.chip_id:
        # Another chip's code: it hangs at its first instructions, until the watchdog bites.
        yield Print(1.0, "")
        yield Reset(chip.empty_flash_reset)
        return
    if chip.rom_baud != APP_BAUD:
        yield Rate(APP_BAUD)
    yield from _SecondStage(chip, flash).run()


# -- the ROM -----------------------------------------------------------------------------------------------------------


def _rom_load(chip: Chip, flash: ReadableFlash) -> Generator[Step, None, Image | None]:
    start = chip.bootloader_offset
    data = flash.read(start, partitions.TABLE_OFFSET - start)
    try:
        image = esp_image.parse(data, verify_hash=False)
    except BadImage as error:
        if error.flaw in (Flaw.CHECKSUM, Flaw.TRUNCATED):
            yield Print(0.01, chip.spi_lines)
            yield Print(
                0.4, f"csum err:0x{error.expected & 0xFF:02x}!=0x{error.found & 0xFF:02x}\r\nets_main.c 371 \r\n"
            )
            yield Print(0.6, "")
        else:
            header = int.from_bytes(data[:4], "little")
            for _ in range(INVALID_HEADERS):
                yield Print(INVALID_HEADER_PERIOD, f"invalid header: 0x{header:08x}\r\n")
        return None
    yield Print(0.01, chip.spi_lines)
    for segment in image.segments:
        size = str(len(segment.data)) if chip.name == "esp32" else f"0x{len(segment.data):x}"
        yield Print(0.005, f"load:0x{segment.address:08x},len:{size}\r\n")
    yield Print(0.0, f"entry 0x{image.entry:08x}\r\n")
    return image


# -- the second stage --------------------------------------------------------------------------------------------------


class _SecondStage:
    """The bootloader proper: partition table, choice of an app, validation. Counts the milliseconds that it logs."""

    def __init__(self, chip: Chip, flash: ReadableFlash) -> None:
        self._chip = chip
        self._flash = flash
        self._milliseconds = 25.0

    def run(self) -> Iterator[Step]:
        yield self._log("I", "boot", "2nd stage bootloader of a virtual " + self._chip.title)
        yield self._log("I", "boot", f"SPI Flash Size : {self._flash.size >> 20}MB")
        try:
            table = self._table()
        except BadTable as error:
            yield self._log("E", "flash_parts", _table_words(error))
            yield self._log("E", "boot", "Failed to verify partition table")
            yield self._log("E", "boot", "load partition table error!")
            yield Reset(Cause.SOFTWARE_SYSTEM)
            return
        yield from self._show(table)
        for app in self._candidates(table):
            image = yield from self._load(app)
            if image is not None:
                yield from self._enter(app, image, table)
                return
            yield self._log("E", "boot", f"{_app_words(app)} is not bootable")
        yield self._log("E", "boot", "No bootable app partitions in the partition table")
        yield Reset(Cause.SOFTWARE_SYSTEM)

    def _table(self) -> Table:
        data = self._flash.read(partitions.TABLE_OFFSET, partitions.TABLE_SIZE)
        try:
            return partitions.parse(data, self._flash.size)
        except BadTable as error:
            if error.flaw is TableFlaw.EMPTY:  # to the bootloader a blank table is one without entries
                return Table(())
            raise

    def _show(self, table: Table) -> Iterator[Step]:
        yield self._log("I", "boot", "Partition Table:")
        yield self._log("I", "boot", "## Label            Usage          Type ST Offset   Length")
        for number, p in enumerate(table):
            columns = (
                f"{number:2d} {p.label:<16} {_usage(p):<16} {p.type:02x} {p.subtype:02x} {p.offset:08x} {p.size:08x}"
            )
            yield self._log("I", "boot", columns)
        yield self._log("I", "boot", "End of partition table")

    def _candidates(self, table: Table) -> list[Partition]:
        """The apps to try, in order: the one that otadata names (or factory), then downwards, then upwards."""
        slots: list[Partition] = table.ota_slots()
        factory = table.first(partitions.TYPE_APP, partitions.APP_FACTORY)
        otadata = table.first(partitions.TYPE_DATA, partitions.DATA_OTA)
        chosen = self._ota_slot(otadata, len(slots)) if otadata is not None and slots else None
        if chosen is None:
            return [*([factory] if factory else []), *slots]
        below = [*reversed(slots[:chosen]), *([factory] if factory else [])]
        return [slots[chosen], *below, *slots[chosen + 1 :]]

    def _ota_slot(self, otadata: Partition, count: int) -> int | None:
        """Which slot otadata's two copies name: the valid one with the higher sequence number, or none."""
        best = 0
        for copy in (0, 1):
            record = self._flash.read(otadata.offset + copy * 0x1000, 32)
            sequence, state, crc = struct.unpack("<I20xII", record)
            fits = crc == zlib.crc32(record[:4], 0xFFFFFFFF)
            if fits and sequence not in (0, 0xFFFFFFFF) and state not in (OTA_INVALID, OTA_ABORTED):
                best = max(best, sequence)
        return (best - 1) % count if best else None

    def _load(self, app: Partition) -> Generator[Step, None, Image | None]:
        where = f"image at 0x{app.offset:x}"
        data = self._flash.read(app.offset, app.size)
        if data[0] != esp_image.MAGIC:
            yield self._log("E", "esp_image", f"{where} has invalid magic byte (nothing flashed here?)")
            return None
        chip_id = int.from_bytes(data[12:14], "little")
        if chip_id != self._chip.chip_id:
            yield self._log("E", "boot_comm", f"mismatch chip ID, expected {self._chip.chip_id}, found {chip_id}")
            return None
        try:
            image = esp_image.parse(data)
        except BadImage as error:
            yield self._log("E", "esp_image", _image_words(error, where, app), app.size / 4 / HASH_RATE)
            return None
        for number, segment in enumerate(image.segments):
            size = len(segment.data)
            mapped = " map" if self._mapped(segment.address) else " load"
            text = f"segment {number}: paddr={app.offset + segment.offset:08x} vaddr={segment.address:08x} "
            yield self._log("I", "esp_image", text + f"size={size:05x}h ({size:6d}){mapped}", size / HASH_RATE)
        return image

    def _mapped(self, address: int) -> bool:
        return address >> 23 in (self._chip.drom >> 23, self._chip.irom >> 23)

    def _enter(self, app: Partition, image: Image, table: Table) -> Iterator[Step]:
        yield self._log("I", "boot", f"Loaded app from partition at offset 0x{app.offset:x}")
        about = image.description
        if about is not None:
            yield self._log("I", "app_init", "Application information:", 0.05)
            yield self._log("I", "app_init", f"Project name:     {about.project}")
            yield self._log("I", "app_init", f"App version:      {about.version}")
            yield self._log("I", "app_init", f"Compile time:     {about.date} {about.time}")
            yield self._log("I", "app_init", f"ELF file SHA256:  {about.elf_sha256.hex()[:9]}...")
            yield self._log("I", "app_init", f"ESP-IDF:          {about.idf_version}")
        try:
            manifest = next(filter(None, (Manifest.find(segment.data) for segment in image.segments)), None)
        except BadManifest as error:
            yield self._log("E", "virtual", str(error))
            manifest = None
        if manifest is not None:
            yield Start(manifest, app, table)
            return
        code = f"cannot execute {self._chip.code} code"
        yield self._log("E", "virtual", f"the app is valid, but this virtual board {code}")
        yield self._log(
            "E", "virtual", "it runs only images made by `python -m hil.virtual image`; it now does nothing"
        )
        yield Halt()

    def _log(self, level: str, tag: str, text: str, seconds: float = 0.003) -> Print:
        self._milliseconds += seconds * 1000
        return Print(seconds, f"{level} ({int(self._milliseconds)}) {tag}: {text}\r\n")


def _table_words(error: BadTable) -> str:
    if error.flaw is TableFlaw.MAGIC:
        return f"partition {error.index} invalid magic number 0x{error.found:x}"
    if error.flaw is TableFlaw.MD5:
        return "Incorrect MD5 checksum"
    if error.flaw is TableFlaw.UNENDED:
        return "partition table has no terminating entry, not valid"
    return f"partition {error.index} invalid - {error}"


def _image_words(error: BadImage, where: str, app: Partition) -> str:
    if error.flaw is Flaw.CHECKSUM:
        return f"Checksum failed. Calculated 0x{error.expected:x} read 0x{error.found:x}"
    if error.flaw is Flaw.HASH:
        return "Image hash failed - image is corrupt"
    if error.flaw is Flaw.SEGMENTS:
        return f"{where} segment count {error.found} exceeds max {error.expected}"
    return f"Image length {error.expected} doesn't fit in partition length {app.size}"


def _app_words(app: Partition) -> str:
    if app.subtype == partitions.APP_FACTORY:
        return "Factory app partition"
    return f"OTA app partition slot {app.subtype - partitions.APP_OTA_0}"


def _usage(partition: Partition) -> str:
    if partition.is_app:
        return "factory app" if partition.subtype == partitions.APP_FACTORY else "OTA app"
    names = {
        partitions.DATA_OTA: "OTA data",
        partitions.DATA_PHY: "RF data",
        partitions.DATA_NVS: "WiFi data",
        partitions.DATA_COREDUMP: "Unknown data",
        partitions.DATA_NVS_KEYS: "NVS keys",
    }
    return names.get(partition.subtype, "Unknown data")
