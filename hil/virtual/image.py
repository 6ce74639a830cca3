"""Builds the images that a virtual board boots: bootloader, partition table, and an app that carries a manifest.

An ESP8266 has one file, as the Arduino core's build makes it: eboot, padding, app.

They are real images, as esptool reads, writes and verifies them. What runs is named by the manifest, which is data: a
flash file never holds code for this host, because anybody who can reach the serial port can write flash.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from hil.virtual import eboot
from hil.virtual.chips import Chip
from hil.virtual.host import Manifest
from hil.wire import esp8266_image, esp_image, partitions
from hil.wire.esp_image import AppDescription, Segment

APP_OFFSET = 0x10000
LEAST_SIZE = 0x1000
PROJECT = "hil-reference"
SECURE_CERT = partitions.Partition("esp_secure_cert", 0x3F, 0x06, 0x3E0000, 0x2000)
"""Type and size as esp_secure_cert_mgr wants them; the subtype is what ESP-IDF gives to one that is left out."""
BOOTLOADER_MARK = b"hil virtual bootloader\0"


def bootloader(chip: Chip) -> bytes:
    """A second-stage bootloader in form, of the usual size. Its segments are filler: the board itself does its work."""
    segments = [
        Segment(chip.dram + 0x30, BOOTLOADER_MARK + _filler(chip.name + " dram", 7000)),
        Segment(chip.iram, _filler(chip.name + " iram", 12000)),
    ]
    return esp_image.build(chip.name, segments, entry=chip.iram + 0x650)


def app(chip: Chip, manifest: Manifest, size: int) -> bytes:
    """An app image of about `size` bytes. Two versions differ as two builds do: in a few places, not everywhere.

    Raises ValueError if the size is less than 4 KiB, or the version too long.
    """
    if size < LEAST_SIZE:
        raise ValueError(f"an app image has at least {LEAST_SIZE} bytes, not {size}")
    encoded = manifest.encode()
    about = AppDescription(
        project=PROJECT,
        version=manifest.version,
        idf_version="hil-virtual",
        date="Jan  1 2025",
        time="00:00:00",
        elf_sha256=hashlib.sha256(encoded).digest(),
    )
    small = 0x200
    drom = about.encode() + encoded + bytes(-len(encoded) % 16)
    drom += _filler("rodata", max(0, (size - len(drom)) // 2 - small))
    # A mapped segment lies at the same offset of a 64 KiB page in flash and in memory: the chip maps whole pages.
    segments = [Segment(chip.drom, drom), Segment(chip.dram, _filler("data", small))]
    position = esp_image.HEADER_SIZE + sum(8 + len(s.data) + -len(s.data) % 4 for s in segments) + 8
    text = max(small, size - position)
    segments.append(Segment(chip.irom - 0x20 + position % 0x10000, _filler("text", text)))
    return esp_image.build(chip.name, segments, entry=chip.iram + 0x400)


def esp8266_firmware(chip: Chip, manifest: Manifest, size: int) -> bytes:
    """The file that is flashed to an ESP8266 at 0, of about `size` bytes. Raises ValueError for less than 8 KiB."""
    if size < 2 * LEAST_SIZE:
        raise ValueError(f"a firmware for the ESP8266 has at least {2 * LEAST_SIZE} bytes, not {size}")
    start = esp8266_image.build([Segment(0x4010F000, _filler("eboot", 3460))], entry=0x4010F4E4)
    encoded = manifest.encode()
    small = 0x200
    text = encoded + bytes(-len(encoded) % 16)
    text += _filler("text", max(small, size - eboot.APP_OFFSET - 2 * small - len(text)))
    segments = [
        Segment(chip.irom, text),
        Segment(chip.iram, _filler("iram", small)),
        Segment(chip.dram, _filler("data", small)),
    ]
    return start.ljust(eboot.APP_OFFSET, b"\xff") + esp8266_image.build(segments, entry=chip.iram + 0x8)


def write_images(
    directory: Path, chip: Chip, manifest: Manifest, size: int, table: tuple[partitions.Partition, ...]
) -> list[dict[str, int | str]]:
    """Build all that is flashed into `directory`; returns [{"offset", "file"}] in the order of flashing.

    Raises ValueError if the app is larger than its place, or smaller than an app can be.
    """
    if chip.name == "esp8266":
        images = {"firmware.bin": (0, esp8266_firmware(chip, manifest, size))}
        room = eboot.OWN_OFFSET
    else:
        images = {
            "bootloader.bin": (chip.bootloader_offset, bootloader(chip)),
            "partition-table.bin": (partitions.TABLE_OFFSET, partitions.build(table)),
            "firmware.bin": (APP_OFFSET, app(chip, manifest, size)),
        }
        room = next(p.size for p in table if p.offset == APP_OFFSET)
    if len(images["firmware.bin"][1]) > room:
        raise ValueError(f"the app has {len(images['firmware.bin'][1])} bytes, its place only {room}")
    directory.mkdir(parents=True, exist_ok=True)
    listed: list[dict[str, int | str]] = []
    for name, (offset, data) in images.items():
        path = directory / name
        _write(path, data, private=bool(manifest.constants) and name == "firmware.bin")
        listed.append({"offset": offset, "file": str(path)})
    return listed


def table_for(store: str, files: int | None = None) -> tuple[partitions.Partition, ...]:
    """The partition table of an image with that store: Arduino's, with esp_secure_cert behind a smaller file system.

    Its usual place, 0xD000, lies within Arduino's NVS. `files`: bytes for the file system, where it is to be smaller.
    Raises ValueError for what is larger than its place, or not in whole sectors.
    """
    *before, spiffs, coredump = partitions.ARDUINO_DEFAULT
    behind = (SECURE_CERT, coredump) if store == "esp-secure-cert" else (coredump,)
    room = behind[0].offset - spiffs.offset
    size = room if files is None else files
    if size % partitions.SECTOR or not 0 < size <= room:
        raise ValueError(f"a file system has whole sectors of {partitions.SECTOR} bytes, at most {room} bytes: {size}")
    return *before, replace(spiffs, size=size), *behind


def _write(path: Path, data: bytes, *, private: bool) -> None:
    """Write a file; `private` for one that holds a key: nobody else may read it."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666), "wb") as file:
        file.write(data)


def _filler(seed: str, size: int) -> bytes:
    """Bytes that compress about as well as machine code does (to some 60%), the same for the same seed."""
    out = bytearray()
    counter = 0
    while len(out) < size:
        noise = hashlib.sha256(f"{seed} {counter}".encode()).digest()
        out += noise[:20] + b"\x36\x41\x00\x1d\xf0\x00\x00\x00\x0c\x02\x1d\xf0"
        counter += 1
    return bytes(out[:size])
