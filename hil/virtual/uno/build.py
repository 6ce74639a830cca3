"""Builds what a virtual Uno is made of, on first use: the board around libsimavr, optiboot, and the reference sketch.

All of it comes from source: ours in this folder, optiboot.c and the core from Debian's arduino-core-avr. The results
lie in a cache, in a folder named after what went into them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from hil.virtual.firmware.options import Option
from hil.virtual.uno.options import macro

HERE = Path(__file__).parent
CORE = Path("/usr/share/arduino/hardware/arduino/avr")
SIMAVR = Path("/usr/include/simavr/sim_avr.h")

#: What has to be there, its flasher included, and the Debian package that brings it.
NEEDED = {
    "gcc": "gcc",
    "avrdude": "avrdude",
    "avr-gcc": "gcc-avr",
    "avr-g++": "gcc-avr",
    "avr-objcopy": "binutils-avr",
    "/usr/lib/avr/include/avr/io.h": "avr-libc",
    str(SIMAVR): "libsimavr-dev",
    str(CORE / "cores/arduino/Arduino.h"): "arduino-core-avr",
}

BOOT, BOOT_BYTES = 0x7E00, 512
FLASH_BYTES, EEPROM_BYTES = 32768, 1024

_CHIP = ["-mmcu=atmega328p", "-DF_CPU=16000000L"]
#: As the core's platform.txt has it. gcc-avr 5.4 lacks DECIMAL_DIG, which WString.cpp needs.
_SKETCH = [
    *_CHIP,
    *("-Os", "-w", "-flto", "-ffunction-sections", "-fdata-sections", "-DARDUINO=10819", "-DARDUINO_AVR_UNO"),
    *("-DARDUINO_ARCH_AVR", "-DDECIMAL_DIG=__DECIMAL_DIG__"),
    *(f"-I{CORE / 'cores/arduino'}", f"-I{CORE / 'variants/standard'}"),
]
_CXX = ["-std=gnu++11", "-fpermissive", "-fno-exceptions", "-fno-threadsafe-statics"]
#: Optiboot's Makefile, for 'atmega328', with what keeps gcc 5.4 below 512 bytes.
_OPTIBOOT = [
    *_CHIP,
    *("-w", "-Os", "-fno-split-wide-types", "-mshort-calls", "-fno-tree-scev-cprop", "-fno-move-loop-invariants"),
    *("-DLED_START_FLASHES=3", "-DBAUD_RATE=115200", "-Wl,--section-start=.text=0x7e00", "-nostdlib"),
    *("-Wl,--section-start=.version=0x7ffe", "-Wl,--relax", "-Wl,--gc-sections", "-nostartfiles"),
]


class BuildError(Exception):
    """It cannot be built; one line with the cause and the cure."""


class MissingPackages(BuildError):
    """This machine lacks what it is built from; the message names the packages."""


def missing() -> list[str]:
    """The Debian packages that a virtual Uno needs and this machine lacks."""
    lacking = {
        package
        for what, package in NEEDED.items()
        if not (Path(what).is_file() if what.startswith("/") else shutil.which(what))
    }
    return sorted(lacking)


def cache_folder() -> Path:
    """Where built things are kept: HIL_CACHE, or below the user's cache folder."""
    base = os.environ.get("HIL_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hil" / "uno"


def board_program(cache: Path | None = None) -> Path:
    """The program that is the board. Raises BuildError."""
    source = HERE / "simulator/uno_board.c"

    def make(folder: Path) -> None:
        _run(["gcc", "-std=gnu11", "-O2", "-Wall", "-o", str(folder / "uno_board"), str(source), "-lsimavr"])

    return _built("board", [source, SIMAVR], [], make, cache) / "uno_board"


def bootloader(cache: Path | None = None) -> bytes:
    """Optiboot: the last 512 bytes of the flash, as they are sold. Raises BuildError."""
    source = CORE / "bootloaders/optiboot/optiboot.c"

    def make(folder: Path) -> None:
        elf = folder / "optiboot.elf"
        _run(["avr-gcc", *_OPTIBOOT, "-o", str(elf), str(source)])
        sections = ["-j", ".text", "-j", ".version"]
        fill = ["--gap-fill", "0xff", "--set-section-flags", ".version=alloc,load"]
        _run(["avr-objcopy", *sections, *fill, "-O", "binary", str(elf), str(folder / "optiboot.bin")])

    image = (_built("optiboot", [source], _OPTIBOOT, make, cache) / "optiboot.bin").read_bytes()
    if len(image) != BOOT_BYTES:
        raise BuildError(f"optiboot came to {len(image)} bytes from {BOOT:#x} on, expected {BOOT_BYTES}")
    return image


def sketch(version: str = "1.0.0", cache: Path | None = None, *, options: Iterable[Option] = ()) -> Path:
    """The reference sketch as an Intel HEX file, with the mistakes that `options` build in.

    Raises BuildError, ValueError for a version that is none.
    """
    if not re.fullmatch(r"[0-9A-Za-z.+-]{1,20}", version):
        raise ValueError(f"found version {version!r}, expected up to 20 letters, digits, '.', '+' and '-'")
    source = HERE / "sketch/sketch.cpp"
    core = CORE / "cores/arduino"
    flags = [*_SKETCH, f'-DSKETCH_VERSION="{version}"', *sorted(f"-D{macro(option)}" for option in options)]

    def make(folder: Path) -> None:
        c = [str(path) for path in sorted(core.glob("*.c"))]
        cxx = [str(path) for path in sorted(core.glob("*.cpp"))]
        _run(["avr-gcc", *flags, "-std=gnu11", "-c", *c], folder)
        _run(["avr-g++", *flags, *_CXX, "-c", str(source), *cxx], folder)
        objects = [str(path) for path in sorted(folder.glob("*.o"))]
        _run(
            ["avr-gcc", *_CHIP, "-Os", "-w", "-flto", "-Wl,--gc-sections", "-o", "sketch.elf", *objects, "-lm"], folder
        )
        _run(["avr-objcopy", "-O", "ihex", "-R", ".eeprom", "sketch.elf", "sketch.hex"], folder)
        for path in folder.glob("*.o"):
            path.unlink()

    return (
        _built("sketch", [source, core / "Arduino.h", core / "HardwareSerial.cpp"], flags, make, cache) / "sketch.hex"
    )


def _built(name: str, sources: list[Path], flags: list[str], make: Callable[[Path], None], cache: Path | None) -> Path:
    lacking = missing()
    if lacking:
        raise MissingPackages(f"a virtual Uno needs Debian's packages {', '.join(lacking)}: apt-get install them")
    digest = hashlib.sha256("\0".join([name, *flags]).encode())
    for source in [Path(__file__), *sources]:
        digest.update(source.read_bytes())
    place = (cache or cache_folder()) / f"{name}-{digest.hexdigest()[:16]}"
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=place.parent))
    try:
        make(draft)
        draft.rename(place)
    except OSError:
        if not place.is_dir():  # else another process has built the same meanwhile
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return place


def _run(command: list[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()[-1:]
        raise BuildError(f"{command[0]} failed: {lines[0] if lines else f'exit code {done.returncode}'}")
